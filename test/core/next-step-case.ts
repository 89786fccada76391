import type { Effect, FailureKind, FailureReport } from '../../src/core/failure.ts';
import type { NextStepInput } from '../../src/core/next-step.ts';

/** A decision to make, told only by what differs from: a start's first failure now, morph left, time enough. */

export const NOW_MS = 1_000_000;
export const HOLD_MS = 10_000;
export const CLONE_MS = 300_000;
export const PERMIT_MS = 60_000;

export function failure(kind: FailureKind, effect: Effect, retryAfterMs?: number): FailureReport {
  return { kind, effect, message: kind, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

export function input(change: Partial<NextStepInput> & Pick<NextStepInput, 'failure'>): NextStepInput {
  return {
    kind: 'start',
    triesHere: 1,
    remaining: ['morph'],
    destroyWaits: false,
    nowMs: NOW_MS,
    deadlineAtMs: NOW_MS + 600_000,
    limits: { unknownHoldMs: HOLD_MS, cloneTimeoutMs: CLONE_MS, permitWaitMs: PERMIT_MS },
    ...change,
  };
}
