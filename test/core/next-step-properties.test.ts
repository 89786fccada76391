import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Effect, FAILURE_KINDS, type FailureReport } from '../../src/core/failure.ts';
import { decideNextStep, type NextStepInput } from '../../src/core/next-step.ts';
import { OPERATION_KINDS } from '../../src/core/operation.ts';
import { PROVIDER_NAMES } from '../../src/core/provider-name.ts';
import { CLONE_MS, failure, HOLD_MS, input, NOW_MS, PERMIT_MS } from './next-step-case.ts';

/** What holds for every failure, whatever the tables of `next-step.test.ts` happen to name. */

const failures: fc.Arbitrary<FailureReport> = fc.record(
  {
    kind: fc.constantFrom(...FAILURE_KINDS),
    effect: fc.constantFrom<Effect>('none', 'unknown', 'applied'),
    message: fc.constant('it failed'),
    retryAfterMs: fc.nat({ max: 100_000 }),
    neverLeft: fc.constant(true as const),
  },
  { requiredKeys: ['kind', 'effect', 'message'] },
);

const inputs: fc.Arbitrary<NextStepInput> = fc.record(
  {
    kind: fc.constantFrom(...OPERATION_KINDS),
    failure: failures,
    triesHere: fc.integer({ min: 1, max: 50 }),
    remaining: fc.subarray([...PROVIDER_NAMES]),
    sentAtMs: fc.integer({ min: NOW_MS - 2 * CLONE_MS, max: NOW_MS }),
    holdSinceMs: fc.integer({ min: NOW_MS - 2 * HOLD_MS, max: NOW_MS }),
    destroyWaits: fc.boolean(),
    nowMs: fc.constant(NOW_MS),
    deadlineAtMs: fc.integer({ min: NOW_MS - 1000, max: NOW_MS + 30_000 }),
    limits: fc.constant({ unknownHoldMs: HOLD_MS, cloneTimeoutMs: CLONE_MS, permitWaitMs: PERMIT_MS }),
  },
  {
    requiredKeys: [
      'kind',
      'failure',
      'triesHere',
      'remaining',
      'destroyWaits',
      'nowMs',
      'deadlineAtMs',
      'limits',
    ],
  },
);

/** Many more than the default hundred: the decisions have narrow corners and cost nothing. */
const MANY = { numRuns: 5_000 };

describe('whatever failed', () => {
  it('a start leaves a guest that may exist only by condemning it, and condemns no other', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const next = decideNextStep({ ...given, kind: 'start' });
        if (next.step === 'fall_back' || next.step === 'give_up') {
          expect(next.condemn).toBe(given.failure.effect !== 'none');
        }
      }),
      MANY,
    );
  });

  it('a start tries anew only when nothing can have been left', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const next = decideNextStep({ ...given, kind: 'start' });
        if (next.step === 'retry') expect(given.failure.effect).toBe('none');
      }),
      MANY,
    );
  });

  it('nothing new begins at the deadline or after it', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const next = decideNextStep(given);
        if (next.step === 'fall_back') expect(NOW_MS).toBeLessThan(given.deadlineAtMs);
        if (next.step === 'retry') expect(NOW_MS + next.delayMs).toBeLessThan(given.deadlineAtMs);
        if (next.step === 'hold') expect(NOW_MS).toBeLessThan(given.deadlineAtMs);
      }),
      MANY,
    );
  });

  it('a start does not give up while there is time and a candidate, unless a destroy waits', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        fc.pre(given.nowMs < given.deadlineAtMs && given.remaining.length > 0 && !given.destroyWaits);
        expect(decideNextStep({ ...given, kind: 'start' }).step).not.toBe('give_up');
      }),
      MANY,
    );
  });

  it('only a start changes provider, holds for a guest or condemns', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        fc.pre(given.kind !== 'start');
        const next = decideNextStep(given);
        expect(next.step).not.toBe('fall_back');
        if (next.step === 'hold') expect(next.holdFor).toBe('permit');
        if (next.step === 'give_up') expect(next.condemn).toBe(false);
      }),
      MANY,
    );
  });

  it('a start behind which a destroy waits ends at once', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const next = decideNextStep({ ...given, kind: 'start', destroyWaits: true });
        expect(next).toMatchObject({ step: 'give_up', code: 'superseded' });
      }),
    );
  });

  it('an operation ends in bounded steps, soon after its deadline, and tries no provider twice', () => {
    const endless = fc.infiniteStream(failures);
    fc.assert(
      fc.property(fc.constantFrom(...OPERATION_KINDS), endless, (kind, stream) => {
        const { steps, endedAtMs, tried, deadlineAtMs } = carryOut(kind, stream);
        // 60 s: at most one look a second, and a few tries per provider without delay.
        expect(steps).toBeLessThan(60 + 4 * PROVIDER_NAMES.length * 10);
        // A hold looks once more after the deadline.
        expect(endedAtMs).toBeLessThan(deadlineAtMs + 1_000);
        expect(new Set(tried).size).toBe(tried.length);
      }),
    );
  });
});

/** Applies decisions one after the other, as `run-attempt` does, each attempt failing at once. */
function carryOut(kind: NextStepInput['kind'], failuresToCome: Iterator<FailureReport>) {
  const deadlineAtMs = NOW_MS + 60_000;
  let [remaining, nowMs, triesHere, steps] = [
    ['pve-lxc', 'morph'] as NextStepInput['remaining'],
    NOW_MS,
    1,
    0,
  ];
  let holdSinceMs: number | undefined;
  const tried = ['pve-vm'];
  for (; steps < 1_000; steps += 1) {
    const next = decideNextStep({
      ...input({ failure: failuresToCome.next().value, kind, triesHere, remaining, nowMs, deadlineAtMs }),
      ...(holdSinceMs !== undefined && { holdSinceMs }),
    });
    if (next.step === 'give_up') break;
    if (next.step === 'hold') holdSinceMs ??= nowMs;
    else holdSinceMs = undefined;
    if (next.step === 'fall_back') {
      tried.push(next.to);
      remaining = remaining.filter((provider) => provider !== next.to);
      triesHere = 1;
    } else {
      nowMs += next.delayMs;
      triesHere += next.step === 'retry' ? 1 : 0;
    }
  }
  return { steps, endedAtMs: nowMs, tried, deadlineAtMs };
}

it('a day of trying to destroy takes a few hundred attempts, each of which its record keeps', () => {
  const deadlineAtMs = NOW_MS + 24 * 60 * 60_000;
  let [nowMs, triesHere] = [NOW_MS, 1];
  for (; triesHere < 10_000; triesHere += 1) {
    const change = { kind: 'destroy', failure: failure('unreachable', 'none'), triesHere, nowMs } as const;
    const next = decideNextStep(input({ ...change, deadlineAtMs }));
    if (next.step !== 'retry') break;
    nowMs += next.delayMs;
  }
  expect(nowMs).toBeGreaterThan(deadlineAtMs - 600_001);
  expect(triesHere).toBeLessThan(300);
});
