/**
 * Whether a running sandbox idles, and since when that is known.
 *
 * Two phases. The first look *arms*: nothing from before it counts. From there a sandbox is watched, and suspended
 * once no sign of activity came for its whole threshold while it was watched all along: no two looks too far apart
 * (what was sent while we were away is lost), and no source silent. Whatever breaks that begins anew. Each sign
 * raises a sequence, so that none between two looks is overlooked; when it came is known to the moment, so that a
 * suspension is late by little and never early.
 *
 * What cannot be observed is `unknown`, not idle: then the wait is longer, and where a pause would lose memory it
 * has no end.
 */
import { type Activity, type ActivityHold, lastUsedAtMs } from './activity.ts';
import {
  type IdlePolicy,
  type IdleSubject,
  idleThreshold,
  type Threshold,
  unknownThreshold,
} from './idle-policy.ts';
import { type Observed, observed } from './idle-receipt.ts';
import { isObservable, type WatchedSignal, watchedSignals } from './idle-signals.ts';
import { CAN_KEEP_MEMORY } from './provider-name.ts';

/**
 * The end of a hold or of a busy report is known to this, so shorter makes suspensions less late; each look costs
 * some reads, and at a thousand sandboxes this is 17 looks a second.
 */
export const LOOK_EVERY_MS = 60_000;
/** Two looks further apart, and idleness was not observed all along. A restart of every process fits in between. */
export const MAX_UNWATCHED_MS = 5 * 60_000;
/**
 * While an agent is open it is not called idle sooner than this. A call to a model may take ten minutes, which is
 * what the vendors' libraries wait for one, and where its answer is not streamed nothing shows until then; two
 * heartbeats more, and it waits for a person.
 */
export const OPEN_AGENT_MS = 12 * 60_000;
/** How soon a sandbox is looked at again that nothing may suspend: protection can be taken away. */
export const LOOK_AGAIN_EXEMPT_MS = 10 * 60_000;

/** `unknown` is what an old or foreign record says; it counts as protected. */
export type Protection = 'none' | 'protected' | 'unknown';

export interface SuspendSubject extends IdleSubject {
  readonly isRunning: boolean;
  readonly protection: Protection;
  /** The caller wants memory kept whatever happens. */
  readonly requiresRamSnapshot: boolean;
}

/** What is remembered between two looks. */
export interface IdleWatch {
  /** No sign of activity since then, and watched all along. */
  readonly quietSinceMs: number;
  readonly lookedAtMs: number;
  readonly sequence: number;
  /** Whether every source was heard; a change of this begins anew. */
  readonly observable: boolean;
}

export interface IdleInput {
  readonly subject: SuspendSubject;
  readonly activity: Activity;
  /** Absent: nobody has looked yet. */
  readonly watch?: IdleWatch;
  readonly policy: IdlePolicy;
  /** The registry was in doubt until then: quiet counts from there at the earliest. */
  readonly distrustBeforeMs?: number;
  readonly nowMs: number;
}

export const IDLE_RULES = [
  // It is left alone, and why.
  'not_running',
  'protected',
  'protection_unknown',
  'never_by_policy',
  'memory_required',
  // It is at work, or was a moment ago.
  'held',
  'busy',
  // It is quiet, and not for long enough.
  'quiet',
  'signals_missing',
  'unknown_never',
  // It is to be suspended.
  'idle',
  'idle_unobserved',
] as const;
export type IdleRuleName = (typeof IDLE_RULES)[number];

/** The verdict with its receipt. */
export interface IdleVerdict {
  readonly verdict: 'exempt' | 'awake' | 'watching' | 'suspend';
  readonly rule: IdleRuleName;
  /** One sentence for a person. */
  readonly reason: string;
  readonly observed: readonly Observed[];
  readonly heldBy: readonly ActivityHold[];
  readonly threshold: Threshold;
  /** When it will be suspended if nothing happens; absent: that cannot be said, or never. */
  readonly suspendAtMs?: number;
  readonly lookAgainAtMs: number;
  /** To be remembered until the next look; absent: nothing is. */
  readonly watch?: IdleWatch;
}

export function decideIdleness(input: IdleInput): IdleVerdict {
  const { subject, policy, activity, nowMs } = input;
  const signals = watchedSignals(activity, subject.provider, nowMs);
  const threshold = mindOpenAgents(idleThreshold(policy, subject), activity);
  const receipt = { observed: observed(activity, signals, nowMs), heldBy: activity.holds, threshold };
  const exemption = exemptionOf(subject, threshold);
  if (exemption) {
    return { ...receipt, ...exemption, verdict: 'exempt', lookAgainAtMs: nowMs + LOOK_AGAIN_EXEMPT_MS };
  }
  const awake = whatKeepsAwake(activity, signals, threshold);
  if (awake) {
    const { sequence } = activity;
    const observable = isObservable(activity, signals);
    return {
      ...receipt,
      ...awake,
      verdict: 'awake',
      watch: { quietSinceMs: nowMs, lookedAtMs: nowMs, sequence, observable },
      lookAgainAtMs: nowMs + LOOK_EVERY_MS,
    };
  }
  return { ...receipt, ...judgeQuiet(input, signals, threshold) };
}

function mindOpenAgents(threshold: Threshold, { heartbeat }: Activity): Threshold {
  const { afterMs } = threshold;
  const isLong = afterMs === 'never' || afterMs >= OPEN_AGENT_MS;
  if (isLong || heartbeat === undefined || heartbeat.agentProcesses === 0) return threshold;
  return { afterMs: OPEN_AGENT_MS, from: 'an open agent' };
}

function exemptionOf(
  subject: SuspendSubject,
  { afterMs, from }: Threshold,
): Pick<IdleVerdict, 'rule' | 'reason'> | undefined {
  const { isRunning, protection, provider, requiresRamSnapshot } = subject;
  if (!isRunning) return { rule: 'not_running', reason: 'it does not run' };
  if (protection === 'protected') return { rule: 'protected', reason: 'it is protected' };
  if (protection === 'unknown') {
    return { rule: 'protection_unknown', reason: 'nobody knows whether it is protected, so it counts as it' };
  }
  if (requiresRamSnapshot && !CAN_KEEP_MEMORY[provider]) {
    return { rule: 'memory_required', reason: `its memory is to be kept, and ${provider} cannot keep it` };
  }
  return afterMs === 'never'
    ? { rule: 'never_by_policy', reason: `the policy for ${from} never suspends` }
    : undefined;
}

function whatKeepsAwake(
  { holds }: Activity,
  signals: readonly WatchedSignal[],
  { afterMs }: Threshold,
): Pick<IdleVerdict, 'rule' | 'reason' | 'suspendAtMs'> | undefined {
  if (holds.length > 0) {
    const owners = [...new Set(holds.map(({ owner }) => owner))].join(', ');
    const lastEndMs = Math.max(...holds.map(({ untilMs }) => untilMs));
    return {
      rule: 'held',
      reason: `held awake by ${owners}`,
      ...(afterMs === 'never' ? {} : { suspendAtMs: lastEndMs + afterMs }),
    };
  }
  const busy = signals.find((signal) => signal.busy);
  return busy && { rule: 'busy', reason: `its ${busy.source} shows work: ${busy.detail}` };
}

/** Nobody vouches for it now; since when, and was that seen all along? */
function judgeQuiet(
  input: IdleInput,
  signals: readonly WatchedSignal[],
  idle: Threshold,
): Omit<IdleVerdict, 'observed' | 'heldBy'> {
  const { subject, policy, activity, nowMs } = input;
  const observable = isObservable(activity, signals);
  const quietSinceMs = quietSince(input, observable);
  const watch = { quietSinceMs, lookedAtMs: nowMs, sequence: activity.sequence, observable };
  const threshold = observable ? idle : mindOpenAgents(unknownThreshold(policy, subject), activity);
  if (threshold.afterMs === 'never') {
    return {
      verdict: 'awake',
      rule: 'unknown_never',
      reason: `signals are missing, and what is unknown is never suspended on ${subject.provider}`,
      threshold,
      watch,
      lookAgainAtMs: nowMs + LOOK_EVERY_MS,
    };
  }
  const suspendAtMs = quietSinceMs + threshold.afterMs;
  const isDue = nowMs >= suspendAtMs;
  const minutes = Math.floor((nowMs - quietSinceMs) / 60_000);
  const what = observable ? 'no activity' : 'signals missing';
  return {
    verdict: isDue ? 'suspend' : 'watching',
    rule: isDue ? (observable ? 'idle' : 'idle_unobserved') : observable ? 'quiet' : 'signals_missing',
    reason: `${what} for ${minutes} min; the limit (${threshold.from}) is ${threshold.afterMs / 60_000} min`,
    threshold,
    suspendAtMs,
    watch,
    lookAgainAtMs: isDue ? nowMs + LOOK_EVERY_MS : Math.min(suspendAtMs, nowMs + LOOK_EVERY_MS),
  };
}

function quietSince(
  { watch, activity, nowMs, distrustBeforeMs = Number.NEGATIVE_INFINITY }: IdleInput,
  observable: boolean,
): number {
  if (watch === undefined || !continues(watch, observable, nowMs)) return nowMs;
  const usedAtMs = lastUsedAtMs(activity, nowMs) ?? nowMs;
  // Whoever stamped a new sign may have a clock behind ours: it came after the last look in any case.
  const newSignMs = watch.sequence === activity.sequence ? 0 : watch.lookedAtMs;
  return Math.max(watch.quietSinceMs, usedAtMs, newSignMs, distrustBeforeMs);
}

function continues(watch: IdleWatch, observable: boolean, nowMs: number): boolean {
  return (
    watch.observable === observable &&
    // A clock that was set back would let a gap pass unseen.
    nowMs >= watch.lookedAtMs &&
    nowMs - watch.lookedAtMs <= MAX_UNWATCHED_MS
  );
}
