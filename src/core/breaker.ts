/**
 * The breaker of a failure domain: whether starts are sent there, or to the next candidate that works.
 *
 * It opens on what users feel, and closes only on what they wanted: a usable sandbox. A create that was
 * accepted proves nothing, for a provider may take every create and make none usable.
 *
 * `closed` counts failures in a row, and from the first failed start on which share of starts fails: a
 * provider that fails every second start never fails five in a row, and every second user waits for nothing.
 * In a row a failure counts as soon as users feel it, a start's when it is first held; of the share are
 * starts that are over, each once. `open` keeps starts away until `retryAtMs`; then one process at a time
 * asks the provider (`probe`). An answer makes it `half_open`: a few starts are let through as trials, and
 * the first of them to end decides. Each time it opens again it waits twice as long.
 *
 * A breaker turns starts elsewhere and forbids nothing: pauses, resumes and destroys always go where their
 * guest is, and a start that has no other candidate goes too.
 */
import type { FailureKind } from './failure.ts';
import type { NextStep } from './next-step.ts';
import type { OperationKind } from './operation.ts';

/** Why it opened: failures in a row, or a provider that wants to be paid first. */
export type BreakerCause = 'failures' | 'quota';

interface Opened {
  readonly cause: BreakerCause;
  /** The failure that opened it, for people. */
  readonly reason: string;
  readonly openedAtMs: number;
  /** How often it opened since it was last closed. */
  readonly openings: number;
}

export type Breaker =
  | {
      readonly state: 'closed';
      /** In a row. */
      readonly failures: number;
      /** Absent: no start has failed lately. */
      readonly window?: BreakerWindow;
    }
  | (Opened & {
      readonly state: 'open';
      /** When the provider is asked next. */
      readonly retryAtMs: number;
      /** Until then one process is asking. */
      readonly probedUntilMs?: number;
    })
  | (Opened & {
      readonly state: 'half_open';
      /** When the trials that count began to be let through. */
      readonly sinceMs: number;
      readonly trials: number;
    });

/** What came of starts since the first that failed in a while. */
export interface BreakerWindow {
  readonly sinceMs: number;
  readonly failed: number;
  readonly usable: number;
}

export type BreakerState = Breaker['state'];

export const CLOSED: Breaker = { state: 'closed', failures: 0 };

/** What an attempt at a provider showed about it. */
export type BreakerOutcome =
  | {
      readonly result: 'usable';
      /** How many starts became usable; several are told at once. Default 1. */
      readonly count?: number;
    }
  /** A pause or a resume was done: the provider works, whether or not it takes new guests. */
  | { readonly result: 'completed' }
  | {
      readonly result: 'failed';
      readonly cause: BreakerCause;
      readonly counts: FailureCounts;
      readonly reason: string;
      /** When its attempt began: one that began before the trials says nothing about them. */
      readonly beganAtMs: number;
    };

/**
 * Where a failure counts: among the failures in a row, in the share of starts that fail, or in both. A start
 * that is held counts `in_row`, and once it is over without a guest `in_share`.
 */
export type FailureCounts = 'in_row' | 'in_share' | 'in_both';

/** Fewer would let one bad clone close a host; with more, more users wait for their turn to fail. */
export const FAILURES_TO_OPEN = 5;
/**
 * Of at least this many starts within the window: below a half most users are served, and fewer starts would
 * let chance open it (at one failure in ten, less than one window in ten thousand).
 */
export const STARTS_TO_JUDGE = 20;
export const FAILED_SHARE_TO_OPEN = 0.5;
/** Long enough that a small fleet has that many starts in it, short enough that yesterday does not count. */
export const WINDOW_MS = 30 * 60_000;
/** Trials at once: a second one keeps a guest that fails by itself from being the whole truth. */
export const MAX_TRIALS = 2;
/** A trial that says nothing for this long died with its worker: others are let through. */
export const TRIAL_PATIENCE_MS = 60_000;
/** A probe takes 5 s at most; whoever holds it for longer is dead. */
export const PROBE_LEASE_MS = 10_000;
/** A restart of Proxmox's daemons takes less. */
const FIRST_WAIT_MS = 15_000;
const LONGEST_WAIT_MS = 5 * 60_000;
/** Nobody pays within seconds. */
const FIRST_QUOTA_WAIT_MS = 60_000;
const LONGEST_QUOTA_WAIT_MS = 15 * 60_000;

export function afterOutcome(breaker: Breaker, outcome: BreakerOutcome, nowMs: number): Breaker {
  if (outcome.result !== 'failed') {
    // A resume needs no new guest, so it says nothing about being paid for one.
    if (breaker.state === 'closed') return afterSuccess(breaker, outcome, nowMs);
    const proves = outcome.result === 'usable' || breaker.cause === 'failures';
    return proves ? CLOSED : breaker;
  }
  const { cause, counts, reason, beganAtMs } = outcome;
  switch (breaker.state) {
    case 'open':
      return breaker;
    case 'half_open': {
      // The end of a start that was held says nothing new: it was told when it was held.
      const isOld = beganAtMs < breaker.sinceMs || counts === 'in_share';
      return isOld ? breaker : open(cause, reason, breaker.openings + 1, nowMs);
    }
    case 'closed': {
      const failures = breaker.failures + (counts === 'in_share' ? 0 : 1);
      const { window } = counts === 'in_row' ? withinWindow(breaker, nowMs) : withFailedStart(breaker, nowMs);
      const failsTooOften = counts !== 'in_row' && window !== undefined && isFailingTooOften(window);
      const opens = cause === 'quota' || failures >= FAILURES_TO_OPEN || failsTooOften;
      return opens
        ? open(cause, reason, 1, nowMs)
        : { state: 'closed', failures, ...(window === undefined ? {} : { window }) };
    }
  }
}

type Closed = Breaker & { readonly state: 'closed' };

/** Ends a row of failures. A pause or a resume says nothing about the share of starts. */
function afterSuccess(
  breaker: Closed,
  outcome: Exclude<BreakerOutcome, { result: 'failed' }>,
  nowMs: number,
): Breaker {
  const { window } = withinWindow(breaker, nowMs);
  if (window === undefined) return CLOSED;
  const usable = window.usable + (outcome.result === 'usable' ? (outcome.count ?? 1) : 0);
  return { state: 'closed', failures: 0, window: { ...window, usable } };
}

function withinWindow({ window }: Closed, nowMs: number): Pick<Closed, 'window'> {
  return window !== undefined && nowMs - window.sinceMs < WINDOW_MS ? { window } : {};
}

function withFailedStart(breaker: Closed, nowMs: number): Pick<Closed, 'window'> {
  const { window = { sinceMs: nowMs, failed: 0, usable: 0 } } = withinWindow(breaker, nowMs);
  return { window: { ...window, failed: window.failed + 1 } };
}

function isFailingTooOften({ failed, usable }: BreakerWindow): boolean {
  const starts = failed + usable;
  return starts >= STARTS_TO_JUDGE && failed >= starts * FAILED_SHARE_TO_OPEN;
}

/** The breaker as whoever is to probe leaves it; `undefined` when nobody is to probe now, or somebody does. */
export function planProbe(breaker: Breaker, nowMs: number): Breaker | undefined {
  if (breaker.state !== 'open' || nowMs < breaker.retryAtMs) return undefined;
  if (breaker.probedUntilMs !== undefined && nowMs < breaker.probedUntilMs) return undefined;
  return { ...breaker, probedUntilMs: nowMs + PROBE_LEASE_MS };
}

export function afterProbe(breaker: Breaker, answered: boolean, nowMs: number): Breaker {
  if (breaker.state !== 'open') return breaker;
  const { cause, reason, openedAtMs, openings } = breaker;
  if (answered) return { state: 'half_open', cause, reason, openedAtMs, openings, sinceMs: nowMs, trials: 0 };
  return { ...open(cause, reason, openings + 1, nowMs), openedAtMs };
}

/** Whether a start that could go elsewhere may be sent, and the breaker as it leaves it. */
export function planTrial(
  breaker: Breaker,
  nowMs: number,
): { readonly admitted: boolean; readonly breaker: Breaker } {
  switch (breaker.state) {
    case 'closed':
      return { admitted: true, breaker };
    case 'open':
      return { admitted: false, breaker };
    case 'half_open': {
      if (breaker.trials < MAX_TRIALS) {
        return { admitted: true, breaker: { ...breaker, trials: breaker.trials + 1 } };
      }
      const silent = nowMs - breaker.sinceMs >= TRIAL_PATIENCE_MS;
      return silent
        ? { admitted: true, breaker: { ...breaker, sinceMs: nowMs, trials: 1 } }
        : { admitted: false, breaker };
    }
  }
}

function open(
  cause: BreakerCause,
  reason: string,
  openings: number,
  nowMs: number,
): Breaker & { readonly state: 'open' } {
  const [first, longest] =
    cause === 'quota' ? [FIRST_QUOTA_WAIT_MS, LONGEST_QUOTA_WAIT_MS] : [FIRST_WAIT_MS, LONGEST_WAIT_MS];
  // 2^10 is beyond both; a larger exponent would only grow out of bounds.
  const waitMs = Math.min(longest, first * 2 ** Math.min(openings - 1, 10));
  return { state: 'open', cause, reason, openings, openedAtMs: nowMs, retryAtMs: nowMs + waitMs };
}

/** Failures that users feel and that are the provider's. */
const FELT: ReadonlySet<FailureKind> = new Set([
  'unreachable',
  'timed_out',
  'provider_error',
  'never_usable',
  'guest_failed',
]);

export interface JudgedFailure {
  readonly kind: OperationKind;
  readonly failure: FailureKind;
  /** What follows from it. */
  readonly step: NextStep['step'];
  /** The attempt had failed before and only looked for its guest: that failure was counted in the row. */
  readonly looksAgain: boolean;
  /** It failed at another provider of the same failure domain before, and was counted in the share then. */
  readonly countedBefore?: boolean;
}

/**
 * What a failure says about its provider; nothing, when it is about contention, waiting, a full node, a wrong
 * set-up or the caller's own request. A start counts in the row as soon as it is held or given up on, and in
 * the share when it is over at this provider. A pause or resume counts in the row, when its tries are over:
 * one guest that cannot be paused is no reason to send starts elsewhere.
 */
export function judgeFailure(
  judged: JudgedFailure,
): { readonly cause: BreakerCause; readonly counts: FailureCounts } | undefined {
  const { kind, failure, step } = judged;
  const isOver = step === 'fall_back' || step === 'give_up';
  switch (kind) {
    case 'start':
      if (failure === 'quota_exceeded') return { cause: 'quota', counts: 'in_both' };
      return countsOfStart(judged, isOver);
    case 'pause':
    case 'resume':
      return FELT.has(failure) && isOver ? { cause: 'failures', counts: 'in_row' } : undefined;
    default:
      return undefined;
  }
}

function countsOfStart(
  { failure, step, looksAgain, countedBefore = false }: JudgedFailure,
  isOver: boolean,
): { readonly cause: 'failures'; readonly counts: FailureCounts } | undefined {
  const over = countedBefore ? 'in_row' : 'in_both';
  // A clone may take long and be fine; it counts when nobody waits for it any more.
  if (failure === 'still_creating') return isOver ? { cause: 'failures', counts: over } : undefined;
  // `interrupted` is what a look says that finds nothing of a create which was let go.
  const isFelt = FELT.has(failure) || (looksAgain && failure === 'interrupted');
  if (!isFelt || step === 'retry') return undefined;
  if (looksAgain) return isOver && !countedBefore ? { cause: 'failures', counts: 'in_share' } : undefined;
  return { cause: 'failures', counts: isOver ? over : 'in_row' };
}
