/**
 * What suspensions turned out to be worth. An episode begins when a sandbox is suspended, or would have been, and
 * ends when it is used again. Used again within ten minutes it is a regret: somebody had to wait for a resume, and
 * next to nothing was saved.
 */
import type { IdleGatePolicy, IdleMode } from './idle-policy.ts';

/** Sooner than this, the suspension was a mistake in its user's eyes. */
export const REGRET_WITHIN_MS = 10 * 60_000;
/** The gate looks at the last so many days, today included: a week has working days and a weekend. */
export const GATE_DAYS = 7;

export interface Episode {
  readonly mode: Exclude<IdleMode, 'off'>;
  readonly sinceMs: number;
  /** Up to when its savings are counted. */
  readonly countedMs: number;
}

export interface EpisodeCounts {
  readonly suspended: number;
  /** Time not spent running, ms. */
  readonly savedMs: number;
  readonly usedAgain: number;
}

export const NO_EPISODES: EpisodeCounts = { suspended: 0, savedMs: 0, usedAgain: 0 };

export interface EpisodeStep {
  /** Absent: none is open. */
  readonly episode?: Episode;
  readonly counts: EpisodeCounts;
}

/** In shadow it goes on running, and is looked at each minute: what was not watched is not counted as saved. */
const MAX_SHADOW_GAP_MS = 5 * 60_000;

/** Suspended now, in deed or in thought. Savings are counted at each look, so that a long episode shows. */
export function openEpisode(episode: Episode | undefined, mode: Episode['mode'], nowMs: number): EpisodeStep {
  if (episode?.mode !== mode) {
    return { episode: { mode, sinceMs: nowMs, countedMs: nowMs }, counts: { ...NO_EPISODES, suspended: 1 } };
  }
  const counts = { ...NO_EPISODES, savedMs: savedMs(episode, nowMs) };
  return { episode: { ...episode, countedMs: nowMs }, counts };
}

/** @param usedAtMs when it was used again; absent: it ended without that, for it became protected, say */
export function closeEpisode(episode: Episode, nowMs: number, usedAtMs: number | undefined): EpisodeCounts {
  const usedAgain = usedAtMs !== undefined && usedAtMs - episode.sinceMs < REGRET_WITHIN_MS ? 1 : 0;
  return { suspended: 0, savedMs: savedMs(episode, usedAtMs ?? nowMs), usedAgain };
}

/** It never stopped running: its suspension was crossed by somebody, or failed. */
export function forgetEpisode(): EpisodeCounts {
  return { ...NO_EPISODES, suspended: -1 };
}

function savedMs({ mode, countedMs }: Episode, untilMs: number): number {
  const gapMs = Math.max(0, untilMs - countedMs);
  return mode === 'shadow' ? Math.min(gapMs, MAX_SHADOW_GAP_MS) : gapMs;
}

export function addCounts(a: EpisodeCounts, b: EpisodeCounts): EpisodeCounts {
  return {
    suspended: a.suspended + b.suspended,
    savedMs: a.savedMs + b.savedMs,
    usedAgain: a.usedAgain + b.usedAgain,
  };
}

/** The share of suspensions that were regretted; `undefined` while there were none. */
export function regretRate({ suspended, usedAgain }: EpisodeCounts): number | undefined {
  return suspended === 0 ? undefined : usedAgain / suspended;
}

export interface IdleGate {
  /** What really happens. */
  readonly mode: IdleMode;
  readonly configured: IdleMode;
  /** Why `enforce` is held back. */
  readonly heldBack?: string;
}

/** `enforce` has to be earned: with enough suspensions seen, in thought or in deed, and few of them regretted. */
export function decideGate(configured: IdleMode, counts: EpisodeCounts, gate: IdleGatePolicy): IdleGate {
  if (configured !== 'enforce' || gate.skip) return { mode: configured, configured };
  const { suspended, usedAgain } = counts;
  if (suspended < gate.minSuspended) {
    const seen = `${suspended} of ${gate.minSuspended} suspensions seen in ${GATE_DAYS} days`;
    return { mode: 'shadow', configured, heldBack: `too little is known yet: ${seen}` };
  }
  const rate = usedAgain / suspended;
  if (rate <= gate.maxRegret) return { mode: 'enforce', configured };
  const share = `${usedAgain} of ${suspended} were used again within ten minutes`;
  return { mode: 'shadow', configured, heldBack: `${share}, more than ${gate.maxRegret * 100} %` };
}
