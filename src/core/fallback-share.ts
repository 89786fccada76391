/**
 * How many starts ended up elsewhere than where they were meant to. One that falls back is fine; that most of
 * them do, day after day, is a bill that nobody noticed: a permission that was taken away makes no noise.
 */
export interface StartCounts {
  readonly total: number;
  /** Of these: they run on another provider than the one their route would have begun with. */
  readonly fellBack: number;
}

export interface FallbackBound {
  /** From 0 to 1; at this share the alert is raised. */
  readonly share: number;
  readonly windowMs: number;
}

export const DEFAULT_FALLBACK_BOUND: FallbackBound = { share: 0.5, windowMs: 6 * 60 * 60_000 };

/** Fewer starts are no sample: with one or two, half of them is an accident. */
export const FEWEST_STARTS = 5;

export function isFallbackShareTooHigh({ total, fellBack }: StartCounts, { share }: FallbackBound): boolean {
  return total >= FEWEST_STARTS && fellBack > 0 && fellBack / total >= share;
}
