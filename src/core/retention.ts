/**
 * When a sandbox that was paused long ago is destroyed: counted from the *latest* of everything that ever happened
 * to it. Counting from one chosen stamp destroyed sandboxes that had been used the day before.
 */
import type { AfterMs } from './idle-policy.ts';
import type { Protection } from './idleness.ts';
import type { SandboxState } from './sandbox.ts';

/** Two looks that agree, this far apart: what cannot be undone does not follow from one reading. */
export const RETENTION_CONFIRM_MS = 60 * 60_000;
/** Days are counted here: an hour sooner or later means nothing. */
export const RETENTION_LOOK_AGAIN_MS = 60 * 60_000;

/** What an earlier look found due; a new version of the record begins anew. */
export interface RetentionWatch {
  readonly dueSinceMs: number;
  readonly version: number;
}

export interface RetentionInput {
  readonly state: SandboxState;
  readonly version: number;
  readonly protection: Protection;
  /** Everything known: created, paused, resumed, used, changed. `undefined` where a stamp should be and is not. */
  readonly stampsMs: readonly (number | undefined)[];
  readonly watch?: RetentionWatch;
  readonly retainPausedMs: AfterMs;
  readonly nowMs: number;
}

export type RetentionVerdict =
  | { readonly verdict: 'destroy'; readonly reason: string; readonly lookAgainAtMs: number }
  | {
      readonly verdict: 'keep';
      readonly reason: string;
      readonly lookAgainAtMs: number;
      readonly destroyAtMs?: number;
      readonly watch?: RetentionWatch;
    }
  | { readonly verdict: 'done'; readonly reason: string };

export function decideRetention(input: RetentionInput): RetentionVerdict {
  const { state, version, stampsMs, watch, retainPausedMs, nowMs } = input;
  if (state !== 'paused') return { verdict: 'done', reason: `it is ${state}` };
  const later = nowMs + RETENTION_LOOK_AGAIN_MS;
  if (retainPausedMs === 'never') return keep('the policy keeps paused sandboxes for good', later);
  if (input.protection !== 'none') return keep('it is protected, or nobody knows', later);
  const known = stampsMs.filter((stamp) => stamp !== undefined && Number.isFinite(stamp));
  if (known.length < stampsMs.length || known.length === 0) {
    return keep('nobody knows when it was last used', later);
  }
  const lastMs = Math.max(...(known as readonly number[]));
  const dueAtMs = lastMs + retainPausedMs;
  const destroyAtMs = dueAtMs + RETENTION_CONFIRM_MS;
  const since = `paused and unused since ${new Date(lastMs).toISOString()}`;
  if (nowMs < dueAtMs) {
    return { ...keep(since, Math.min(dueAtMs, later)), destroyAtMs };
  }
  if (watch?.version !== version) {
    const found = { dueSinceMs: nowMs, version };
    return {
      ...keep(since, nowMs + RETENTION_CONFIRM_MS),
      destroyAtMs: nowMs + RETENTION_CONFIRM_MS,
      watch: found,
    };
  }
  const confirmedAtMs = watch.dueSinceMs + RETENTION_CONFIRM_MS;
  if (nowMs < confirmedAtMs) {
    return { ...keep(since, confirmedAtMs), destroyAtMs: confirmedAtMs, watch };
  }
  return { verdict: 'destroy', reason: since, lookAgainAtMs: later };
}

function keep(reason: string, lookAgainAtMs: number) {
  return { verdict: 'keep', reason, lookAgainAtMs } as const;
}
