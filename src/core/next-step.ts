/**
 * What follows a failed attempt. One place weighs the effect, the route, the deadline and the tries; BullMQ's
 * own retries stay off.
 *
 * A start may change provider, so the question is always whether a guest may be left behind: while that is
 * unknown it holds and looks; when the hold runs out the guest is condemned first and the route goes on
 * after. The other kinds stay where the sandbox is; their handlers read the guest's state before they act,
 * so a retry is safe whatever the effect was.
 */
import type { FailureKind, FailureReport } from './failure.ts';
import type { HoldReason, OperationErrorCode, OperationKind } from './operation.ts';
import type { ProviderName } from './provider-name.ts';

export interface NextStepLimits {
  /** How long a start looks for a guest that may exist before it goes on without it. */
  readonly unknownHoldMs: number;
  /** How long a creation that was seen under way may take. */
  readonly cloneTimeoutMs: number;
  /** How long an attempt waits for a permit or for memory that others have. */
  readonly permitWaitMs: number;
}

export interface NextStepInput {
  readonly kind: OperationKind;
  readonly failure: FailureReport;
  /** Attempts on this provider in this operation, the failed one included. */
  readonly triesHere: number;
  /** Candidates that have not been tried, in order. */
  readonly remaining: readonly ProviderName[];
  /** When the failed attempt's create was let go, if it was. */
  readonly sentAtMs?: number;
  /** When this attempt first held for what it would hold for now. */
  readonly holdSinceMs?: number;
  /** A destroy waits behind a start: no further attempt of it. */
  readonly destroyWaits: boolean;
  readonly nowMs: number;
  readonly deadlineAtMs: number;
  readonly limits: NextStepLimits;
}

export type NextStep =
  /** Same attempt, later: look again. */
  | { readonly step: 'hold'; readonly delayMs: number; readonly holdFor: HoldReason }
  /** New attempt on the same provider. `sameGuest`: it carries the recorded intent on. */
  | { readonly step: 'retry'; readonly delayMs: number; readonly sameGuest: boolean }
  | { readonly step: 'fall_back'; readonly to: ProviderName; readonly condemn: boolean }
  | { readonly step: 'give_up'; readonly code: OperationErrorCode; readonly condemn: boolean };

/** How often a hold looks: often enough to adopt quickly, rarely enough to leave an ailing provider alone. */
const HOLD_LOOK_MS = 1_000;
/** A waiter that asks less often than every ten seconds counts as gone (store/permits.ts). */
const WAITING_LOOK_MS = 2_000;
/** First retry after this, then doubled. Shorter would hit the same Proxmox lock again. */
const RETRY_BASE_MS = 500;
/** Above this a caller who waits would rather be told. */
const RETRY_CAP_MS = 15_000;
/** From this try on each delay is this much longer, up to a cap: a day of destroying is 250 attempts, not 6,000. */
const PATIENT_AFTER_TRIES = 20;
const PATIENT_GROWTH = 1.05;
const PATIENT_CAP_MS = 10 * 60_000;
/** Tries of one start on one provider before the route goes on. */
const MAX_START_TRIES = 4;
/** Tries of a pause or resume before it fails with the truth. Destroys go on until their deadline. */
const MAX_CHANGE_TRIES = 5;

/** Failures that may be gone at the next try. */
const TRANSIENT: ReadonlySet<FailureKind> = new Set([
  'unreachable',
  'timed_out',
  'rate_limited',
  'contention',
  'still_creating',
  'provider_error',
  'interrupted',
]);

export function decideNextStep(input: NextStepInput): NextStep {
  if (input.failure.kind === 'waiting' && !input.destroyWaits) return decideWaiting(input);
  return input.kind === 'start' ? decideForStart(input) : decideInPlace(input);
}

/** What an attempt holds for when it fails like this. */
export function holdReasonFor(kind: FailureKind): HoldReason {
  return kind === 'waiting' ? 'permit' : 'guest';
}

/** Its turn wakes it; the delay only makes up for a lost wake-up. */
function decideWaiting(input: NextStepInput): NextStep {
  const { holdSinceMs = input.nowMs, nowMs, limits, deadlineAtMs } = input;
  const persistent = input.kind === 'destroy' || input.kind === 'discard';
  const untilMs = persistent ? deadlineAtMs : Math.min(holdSinceMs + limits.permitWaitMs, deadlineAtMs);
  if (nowMs < untilMs) {
    return { step: 'hold', holdFor: 'permit', delayMs: Math.min(WAITING_LOOK_MS, untilMs - nowMs) };
  }
  return input.kind === 'start'
    ? onwards(input, input.failure.effect !== 'none')
    : { step: 'give_up', code: 'no_capacity', condemn: false };
}

function decideForStart(input: NextStepInput): NextStep {
  const { failure, holdSinceMs = input.nowMs, nowMs } = input;
  const mayExist = failure.effect !== 'none';
  if (input.destroyWaits) return { step: 'give_up', code: 'superseded', condemn: mayExist };

  if (mayExist) {
    const holdUntilMs = holdLimitMs(input, holdSinceMs);
    const worthHolding = failure.effect === 'unknown' || TRANSIENT.has(failure.kind);
    if (worthHolding && nowMs < holdUntilMs && nowMs < input.deadlineAtMs) {
      return { step: 'hold', holdFor: 'guest', delayMs: Math.min(HOLD_LOOK_MS, holdUntilMs - nowMs) };
    }
    return onwards(input, true);
  }
  if (failure.kind === 'foreign_guest' && input.triesHere < MAX_START_TRIES) {
    return withinDeadline(input, { step: 'retry', delayMs: 0, sameGuest: false });
  }
  const waitsHere = failure.kind === 'contention' || failure.kind === 'rate_limited';
  const nowhereElse = input.remaining.length === 0 && isWorthAnotherTry(failure);
  const proved = failure.kind === 'interrupted';
  if ((waitsHere || nowhereElse || proved) && input.triesHere < MAX_START_TRIES) {
    return withinDeadline(input, { step: 'retry', delayMs: retryDelayMs(input), sameGuest: true });
  }
  return onwards(input, false);
}

/**
 * Left nothing, and gone at the next try as likely as not: a fault of the provider, or a request that could
 * not leave in its time. Another candidate is tried sooner; the last one is tried again. What was sent and
 * not answered is not among them, not even a question: each try would keep a slot as long as the first. Nor
 * is a refused connection: who has nowhere else to go is told at once that the provider is away.
 */
function isWorthAnotherTry({ kind, neverLeft }: FailureReport): boolean {
  return kind === 'provider_error' || neverLeft === true;
}

/** With nowhere else to go, patience costs nothing: the doubt ends by itself, one way or the other. */
function holdLimitMs(
  { failure, remaining, sentAtMs, limits, deadlineAtMs }: NextStepInput,
  sinceMs: number,
): number {
  if (failure.kind === 'still_creating') return (sentAtMs ?? sinceMs) + limits.cloneTimeoutMs;
  return remaining.length === 0 ? deadlineAtMs : sinceMs + limits.unknownHoldMs;
}

function onwards(input: NextStepInput, condemn: boolean): NextStep {
  if (input.nowMs >= input.deadlineAtMs) return { step: 'give_up', code: 'deadline_exceeded', condemn };
  const [to] = input.remaining;
  if (to === undefined) return { step: 'give_up', code: 'no_provider_available', condemn };
  return { step: 'fall_back', to, condemn };
}

function decideInPlace(input: NextStepInput): NextStep {
  const { failure, kind } = input;
  // The sweep that asked comes again, and nothing else is to wait behind its tries.
  const once = kind === 'configure';
  const again = !once && (TRANSIENT.has(failure.kind) || failure.effect === 'unknown');
  const persistent = kind === 'destroy' || kind === 'discard';
  if (again && (persistent || input.triesHere < MAX_CHANGE_TRIES)) {
    return withinDeadline(input, { step: 'retry', delayMs: retryDelayMs(input), sameGuest: true });
  }
  return { step: 'give_up', code: codeFor(failure.kind), condemn: false };
}

/** A retry that would come too late gives way to a candidate that can be tried now. */
function withinDeadline(input: NextStepInput, retry: NextStep & { readonly step: 'retry' }): NextStep {
  if (input.nowMs + retry.delayMs < input.deadlineAtMs) return retry;
  if (input.kind === 'start' && input.remaining.length > 0) return onwards(input, false);
  return { step: 'give_up', code: 'deadline_exceeded', condemn: false };
}

function retryDelayMs({ failure, triesHere }: NextStepInput): number {
  const patience = PATIENT_GROWTH ** Math.max(0, triesHere - PATIENT_AFTER_TRIES);
  const cappedMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(triesHere - 1, 10));
  const backOffMs = Math.round(Math.min(PATIENT_CAP_MS, cappedMs * patience));
  return Math.max(backOffMs, Math.min(failure.retryAfterMs ?? 0, RETRY_CAP_MS));
}

function codeFor(kind: FailureKind): OperationErrorCode {
  if (kind === 'stuck') return 'sandbox_stuck';
  if (kind === 'memory_lost') return 'memory_lost';
  if (kind === 'unsupported') return 'ram_snapshot_unsupported';
  if (kind === 'not_found') return 'sandbox_lost';
  return 'provider_failed';
}
