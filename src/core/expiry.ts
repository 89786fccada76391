/**
 * What happens to a sandbox whose time to live is over. Its caller asked for it, so no shadow mode holds it back;
 * but a pause at the end of an hour must not interrupt an agent at work, which is what wall-clock limits did.
 */
import { type Activity, lastUsedAtMs } from './activity.ts';
import { isObservable, watchedSignals } from './idle-signals.ts';
import type { Protection } from './idleness.ts';
import { CAN_KEEP_MEMORY, type ProviderName } from './provider-name.ts';
import type { SandboxState } from './sandbox.ts';

/** Longer than the pauses between two signs of an agent at work, short against a time to live. */
export const EXPIRY_QUIET_MS = 5 * 60_000;
/** How soon one is looked at again that is over its time and at work. */
export const EXPIRY_LOOK_AGAIN_MS = 60_000;
/** Protection can be taken away, and a pause that was asked for can fail. */
export const EXPIRY_LOOK_LATER_MS = 10 * 60_000;

/** A pause that would be refused every time: only a changed time to live or a person can help. */
export const EXPIRY_LOOK_REFUSED_MS = 24 * 60 * 60_000;

export interface ExpiryInput {
  readonly state: SandboxState;
  /** Absent while it has no guest: then only a destroy has a meaning. */
  readonly provider?: ProviderName;
  readonly protection: Protection;
  readonly expiresAtMs: number | undefined;
  readonly onExpiry: 'pause' | 'destroy';
  /** Its memory is to be kept, whatever happens. */
  readonly requiresRamSnapshot?: boolean;
  readonly activity: Activity;
  readonly nowMs: number;
}

export type ExpiryVerdict =
  | { readonly verdict: 'pause' | 'destroy'; readonly reason: string; readonly lookAgainAtMs: number }
  | { readonly verdict: 'wait'; readonly reason: string; readonly lookAgainAtMs: number }
  /** Nothing is left to expire. */
  | { readonly verdict: 'done'; readonly reason: string };

export function decideExpiry(input: ExpiryInput): ExpiryVerdict {
  const { state, expiresAtMs, onExpiry, activity, nowMs } = input;
  if (expiresAtMs === undefined) return { verdict: 'done', reason: 'it has no time to live' };
  if (nowMs < expiresAtMs) return wait('its time is not over', expiresAtMs);
  if (input.protection !== 'none') {
    return wait('it is protected, or nobody knows', nowMs + EXPIRY_LOOK_LATER_MS);
  }
  const over = `its time to live ended at ${new Date(expiresAtMs).toISOString()}`;
  if (activity.holds.length > 0 && state === 'running') {
    const owners = [...new Set(activity.holds.map(({ owner }) => owner))].join(', ');
    return wait(`${over}, and it is held awake by ${owners}`, nowMs + EXPIRY_LOOK_AGAIN_MS);
  }
  if (onExpiry === 'destroy') {
    return { verdict: 'destroy', reason: over, lookAgainAtMs: nowMs + EXPIRY_LOOK_LATER_MS };
  }
  return decidePause(input, over);
}

function decidePause(
  { state, provider, requiresRamSnapshot = false, activity, nowMs }: ExpiryInput,
  over: string,
): ExpiryVerdict {
  if (state !== 'running' || provider === undefined) {
    // It may come back: a resume does not give it new time, so it is looked at again.
    return wait(`${over}, and it does not run`, nowMs + EXPIRY_LOOK_LATER_MS);
  }
  if (requiresRamSnapshot && !CAN_KEEP_MEMORY[provider]) {
    const reason = `${over}; its memory is to be kept, and ${provider} cannot keep it`;
    return wait(reason, nowMs + EXPIRY_LOOK_REFUSED_MS);
  }
  const signals = watchedSignals(activity, provider, nowMs);
  const busy = signals.find((signal) => signal.busy);
  if (busy) {
    return wait(`${over}, and its ${busy.source} shows work: ${busy.detail}`, nowMs + EXPIRY_LOOK_AGAIN_MS);
  }
  const usedAtMs = lastUsedAtMs(activity, nowMs);
  if (usedAtMs !== undefined && nowMs - usedAtMs < EXPIRY_QUIET_MS) {
    return wait(`${over}, and it was used a moment ago`, usedAtMs + EXPIRY_QUIET_MS);
  }
  if (!CAN_KEEP_MEMORY[provider] && !isObservable(activity, signals)) {
    const reason = `${over}; signals are missing, and on ${provider} a pause loses memory`;
    return wait(reason, nowMs + EXPIRY_LOOK_AGAIN_MS);
  }
  return { verdict: 'pause', reason: over, lookAgainAtMs: nowMs + EXPIRY_LOOK_LATER_MS };
}

function wait(reason: string, lookAgainAtMs: number): ExpiryVerdict {
  return { verdict: 'wait', reason, lookAgainAtMs };
}
