import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  afterOutcome,
  afterProbe,
  type Breaker,
  type BreakerOutcome,
  CLOSED,
  FAILED_SHARE_TO_OPEN,
  FAILURES_TO_OPEN,
  type JudgedFailure,
  judgeFailure,
  MAX_TRIALS,
  PROBE_LEASE_MS,
  planProbe,
  planTrial,
  STARTS_TO_JUDGE,
  TRIAL_PATIENCE_MS,
  WINDOW_MS,
} from '../../src/core/breaker.ts';
import { FAILURE_KINDS } from '../../src/core/failure.ts';

const NOW = 1_000_000;
const failed = (change: Partial<BreakerOutcome & { result: 'failed' }> = {}): BreakerOutcome => ({
  result: 'failed',
  cause: 'failures',
  counts: 'in_both',
  reason: 'connection refused',
  beganAtMs: NOW,
  ...change,
});
const USABLE: BreakerOutcome = { result: 'usable' };
const COMPLETED: BreakerOutcome = { result: 'completed' };
/** A start that is held, and its end without a guest. */
const HELD = failed({ counts: 'in_row' });
const ENDED = failed({ counts: 'in_share' });
/** A pause or resume whose tries are over. */
const GIVEN_UP = HELD;

const having = (breaker: Breaker, ...outcomes: readonly BreakerOutcome[]) =>
  outcomes.reduce((state, outcome) => afterOutcome(state, outcome, NOW), breaker);
const times = (count: number, outcome: BreakerOutcome) => Array.from({ length: count }, () => outcome);
const opened = (cause: 'failures' | 'quota' = 'failures') =>
  having(CLOSED, ...times(FAILURES_TO_OPEN, failed({ cause })));
const halfOpen = (cause: 'failures' | 'quota' = 'failures') => afterProbe(opened(cause), true, NOW);

describe('closed', () => {
  test.each([
    ['just under the threshold', times(FAILURES_TO_OPEN - 1, failed()), 'closed'],
    ['exactly at it', times(FAILURES_TO_OPEN, failed()), 'open'],
    [
      'with a usable guest in between',
      [...times(FAILURES_TO_OPEN - 1, failed()), USABLE, ...times(FAILURES_TO_OPEN - 1, failed())],
      'closed',
    ],
    [
      'with a completed pause in between',
      [...times(FAILURES_TO_OPEN - 1, failed()), COMPLETED, failed()],
      'closed',
    ],
    ['after a single refusal for want of payment', [failed({ cause: 'quota' })], 'open'],
  ] as const)('%s it is %s', (_when, outcomes, state) => {
    expect(having(CLOSED, ...outcomes).state).toBe(state);
  });

  it('keeps the failure that opened it, for people', () => {
    expect(opened()).toMatchObject({ cause: 'failures', reason: 'connection refused', openedAtMs: NOW });
  });
});

describe('the share of starts that fail', () => {
  const alternating = (count: number) => Array.from({ length: count }, (_, i) => (i % 2 ? USABLE : failed()));

  test.each([
    ['just under the number of starts', alternating(STARTS_TO_JUDGE - 1), 'closed'],
    ['at it, with half of them failed', [...alternating(STARTS_TO_JUDGE - 2), USABLE, failed()], 'open'],
    [
      'at it, with one fewer failed',
      [...alternating(STARTS_TO_JUDGE - 4), USABLE, USABLE, USABLE, failed()],
      'closed',
    ],
    [
      'with pauses in between, which say nothing of starts',
      [...alternating(STARTS_TO_JUDGE - 2), COMPLETED, COMPLETED, USABLE, failed()],
      'open',
    ],
    [
      'with starts that were held and became usable, none of which failed',
      Array.from({ length: STARTS_TO_JUDGE }, () => [HELD, USABLE]).flat(),
      'closed',
    ],
    [
      'with starts that were held and went on without their guest, each once',
      [...Array.from({ length: STARTS_TO_JUDGE / 2 - 1 }, () => [HELD, ENDED, USABLE]).flat(), HELD, ENDED],
      'closed',
    ],
    [
      'with one more of these, and it is the twentieth',
      [...Array.from({ length: STARTS_TO_JUDGE / 2 }, () => [HELD, ENDED, USABLE]).flat(), HELD, ENDED],
      'open',
    ],
    [
      'with pauses that were given up on between those that were done',
      [failed(), ...Array.from({ length: STARTS_TO_JUDGE }, () => [GIVEN_UP, COMPLETED]).flat(), failed()],
      'closed',
    ],
    [
      'with many usable guests told at once',
      [failed(), { result: 'usable', count: 50 } as const, ...alternating(STARTS_TO_JUDGE)],
      'closed',
    ],
  ] as const)('%s it is %s', (_when, outcomes, state) => {
    expect(having(CLOSED, ...outcomes).state).toBe(state);
  });

  it('begins anew with the first failure after the window', () => {
    const before = having(CLOSED, ...alternating(STARTS_TO_JUDGE - 2));
    const later = afterOutcome(before, failed(), NOW + WINDOW_MS);
    expect(later).toMatchObject({ window: { sinceMs: NOW + WINDOW_MS, failed: 1, usable: 0 } });
    expect(afterOutcome(before, USABLE, NOW + WINDOW_MS)).toEqual(CLOSED);
  });

  it('while nothing fails nothing is counted, so that a healthy provider costs no write', () => {
    expect(having(CLOSED, ...times(100, USABLE), COMPLETED)).toEqual(CLOSED);
  });

  it('opens within the window only with a row of failures or enough starts of which that share failed', () => {
    const outcomes = fc.array(fc.constantFrom<BreakerOutcome>(failed(), HELD, ENDED, USABLE, COMPLETED), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(outcomes, (given) => {
        let [row, bad, good] = [0, 0, 0];
        let breaker: Breaker = CLOSED;
        for (const outcome of given) {
          breaker = afterOutcome(breaker, outcome, NOW);
          const isFailure = outcome.result === 'failed';
          const ends = isFailure && outcome.counts !== 'in_row';
          row = isFailure ? row + (outcome.counts === 'in_share' ? 0 : 1) : 0;
          bad += ends ? 1 : 0;
          good += outcome.result === 'usable' && bad > 0 ? 1 : 0;
          const tooOften = bad + good >= STARTS_TO_JUDGE && bad >= (bad + good) * FAILED_SHARE_TO_OPEN;
          const opens = row >= FAILURES_TO_OPEN || (ends && tooOften);
          expect(breaker.state).toBe(opens ? 'open' : 'closed');
          if (opens) return;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('open', () => {
  it('does not wait longer for failures of starts that were under way', () => {
    const breaker = opened();
    expect(having(breaker, ...times(50, failed()))).toEqual(breaker);
  });

  it('closes when a guest became usable all the same', () => {
    expect(having(opened(), USABLE)).toEqual(CLOSED);
    expect(having(opened(), COMPLETED)).toEqual(CLOSED);
  });

  it('for want of payment it is closed by a new guest, and not by a resume', () => {
    expect(having(opened('quota'), COMPLETED)).toEqual(opened('quota'));
    expect(having(opened('quota'), USABLE)).toEqual(CLOSED);
  });

  it('is probed by one at a time, from its time on, and by another when that one died', () => {
    const breaker = opened();
    const retryAtMs = 'retryAtMs' in breaker ? breaker.retryAtMs : 0;
    expect(planProbe(breaker, retryAtMs - 1)).toBeUndefined();
    const probed = planProbe(breaker, retryAtMs);
    if (probed === undefined) throw new Error('nobody was to probe');
    expect(planProbe(probed, retryAtMs + PROBE_LEASE_MS - 1)).toBeUndefined();
    expect(planProbe(probed, retryAtMs + PROBE_LEASE_MS)).toBeDefined();
  });

  it('waits twice as long after each probe without an answer, up to a bound', () => {
    const waits = [];
    let breaker = opened();
    for (let probes = 0; probes < 8; probes += 1) {
      if (breaker.state !== 'open') throw new Error('it closed');
      waits.push((breaker.retryAtMs - NOW) / 1_000);
      breaker = afterProbe(breaker, false, NOW);
    }
    expect(waits).toEqual([15, 30, 60, 120, 240, 300, 300, 300]);
    expect(breaker).toMatchObject({ openedAtMs: NOW, openings: 9 });
  });

  it('admits no start that could go elsewhere', () => {
    expect(planTrial(opened(), NOW).admitted).toBe(false);
  });
});

describe('half open', () => {
  it('lets a few trials through, and others once those have been silent for too long', () => {
    let breaker = halfOpen();
    for (let trials = 0; trials < MAX_TRIALS; trials += 1) {
      const trial = planTrial(breaker, NOW);
      expect(trial.admitted).toBe(true);
      breaker = trial.breaker;
    }
    expect(planTrial(breaker, NOW + TRIAL_PATIENCE_MS - 1).admitted).toBe(false);
    const later = planTrial(breaker, NOW + TRIAL_PATIENCE_MS);
    expect(later.admitted).toBe(true);
    expect(later.breaker).toMatchObject({ trials: 1 });
  });

  it('opens again at the first failure, and waits longer than before', () => {
    expect(having(halfOpen(), failed())).toMatchObject({
      state: 'open',
      openings: 2,
      retryAtMs: NOW + 30_000,
    });
  });

  it('does not listen to a failure of an attempt that was sent before the trials', () => {
    expect(having(halfOpen(), failed({ beganAtMs: NOW - 1 }))).toEqual(halfOpen());
  });

  it('does not listen to the end of a start that was held', () => {
    expect(having(halfOpen(), ENDED)).toEqual(halfOpen());
  });

  it('closes with a usable guest', () => {
    expect(having(halfOpen(), USABLE)).toEqual(CLOSED);
    expect(having(halfOpen('quota'), COMPLETED)).toEqual(halfOpen('quota'));
  });
});

describe('what counts', () => {
  const BOTH = { cause: 'failures', counts: 'in_both' };
  const ROW = { cause: 'failures', counts: 'in_row' };
  const SHARE = { cause: 'failures', counts: 'in_share' };
  const judged = (change: Partial<JudgedFailure>): JudgedFailure => ({
    kind: 'start',
    failure: 'unreachable',
    step: 'fall_back',
    looksAgain: false,
    ...change,
  });

  test.each([
    ['a refused connection', {}, BOTH],
    ['a time-out as soon as it is held', { failure: 'timed_out', step: 'hold' }, ROW],
    ['the same attempt while it looks again', { step: 'hold', looksAgain: true }, undefined],
    ['the same attempt when it goes on', { looksAgain: true }, SHARE],
    [
      'the same attempt when it found nothing and goes on',
      { failure: 'interrupted', looksAgain: true },
      SHARE,
    ],
    [
      'the same attempt when it sends again',
      { failure: 'interrupted', step: 'retry', looksAgain: true },
      undefined,
    ],
    ['a guest that was never usable', { failure: 'never_usable' }, BOTH],
    ['a 5xx that is tried again', { failure: 'provider_error', step: 'retry' }, undefined],
    ['a 5xx after its tries', { failure: 'provider_error', step: 'give_up' }, BOTH],
    ['a clone that takes long', { failure: 'still_creating', step: 'hold' }, undefined],
    ['a clone that was waited for in vain', { failure: 'still_creating', looksAgain: true }, BOTH],
    ['a refusal for want of payment', { failure: 'quota_exceeded' }, { ...BOTH, cause: 'quota' }],
    ['a pause that is tried again', { kind: 'pause', step: 'retry' }, undefined],
    ['a pause after its tries', { kind: 'pause', step: 'give_up' }, ROW],
    [
      'a resume whose guest was never usable',
      { kind: 'resume', failure: 'never_usable', step: 'give_up' },
      ROW,
    ],
    ['a destroy, which goes on for a day', { kind: 'destroy', step: 'retry' }, undefined],
    ['a discard', { kind: 'discard', step: 'give_up' }, undefined],
  ] as const satisfies readonly (readonly [string, Partial<JudgedFailure>, unknown])[])(
    '%s',
    (_what, change, judgement) => {
      expect(judgeFailure(judged(change))).toEqual(judgement);
    },
  );

  test.each([
    'contention',
    'waiting',
    'over_capacity',
    'rate_limited',
    'unauthorized',
    'source_missing',
    'invalid_request',
    'foreign_guest',
    'interrupted',
    'breaker_open',
  ] as const)('%s never counts', (failure) => {
    for (const kind of ['start', 'pause', 'resume'] as const) {
      expect(judgeFailure(judged({ kind, failure, step: 'give_up' }))).toBeUndefined();
    }
  });
});

describe('whatever happens', () => {
  type Happening =
    | { readonly what: 'outcome'; readonly outcome: BreakerOutcome }
    | { readonly what: 'probe'; readonly answered: boolean }
    | { readonly what: 'trial' };
  const outcome: fc.Arbitrary<BreakerOutcome> = fc.oneof(
    fc.constant(USABLE),
    fc.constant(COMPLETED),
    fc.record({
      result: fc.constant('failed' as const),
      cause: fc.constantFrom('failures' as const, 'quota' as const),
      counts: fc.constantFrom('in_row' as const, 'in_share' as const, 'in_both' as const),
      reason: fc.constant('refused'),
      beganAtMs: fc.integer({ min: 0, max: 2_000_000 }),
    }),
  );
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    fc.record({ what: fc.constant('outcome' as const), outcome }),
    fc.record({ what: fc.constant('probe' as const), answered: fc.boolean() }),
    fc.record({ what: fc.constant('trial' as const) }),
  );
  const story = fc.array(fc.record({ happening, passedMs: fc.integer({ min: 0, max: 30_000 }) }), {
    maxLength: 60,
  });

  it('it opens only by a failure, closes only by a success, and a success always ends a row of failures', () => {
    fc.assert(
      fc.property(story, (steps) => {
        let breaker: Breaker = CLOSED;
        let now = 0;
        for (const { happening: next, passedMs } of steps) {
          now += passedMs;
          const before: Breaker = breaker;
          if (next.what === 'outcome') breaker = afterOutcome(breaker, next.outcome, now);
          else if (next.what === 'trial') breaker = planTrial(breaker, now).breaker;
          else if (planProbe(breaker, now)) breaker = afterProbe(breaker, next.answered, now);
          const result = next.what === 'outcome' ? next.outcome.result : undefined;
          if (before.state !== 'closed' && breaker.state === 'closed') expect(result).not.toBe('failed');
          if (before.state !== 'closed' && breaker.state === 'closed') expect(result).toBeDefined();
          if (before.state === 'closed' && breaker.state === 'open') expect(result).toBe('failed');
          if (result === 'usable') expect(breaker).toMatchObject({ state: 'closed', failures: 0 });
          if (breaker.state === 'half_open') expect(breaker.trials).toBeLessThanOrEqual(MAX_TRIALS);
          if (breaker.state === 'closed') expect(breaker.failures).toBeLessThan(FAILURES_TO_OPEN);
          // Nobody waits for ever: the time at which it is asked again is always near.
          if (breaker.state === 'open') expect(breaker.retryAtMs - now).toBeLessThanOrEqual(15 * 60_000);
        }
      }),
    );
  });

  it('every failure kind is judged, whatever follows from it', () => {
    for (const failure of FAILURE_KINDS) {
      for (const step of ['hold', 'retry', 'fall_back', 'give_up'] as const) {
        const judgement = judgeFailure({ kind: 'start', failure, step, looksAgain: false });
        expect([undefined, 'failures', 'quota']).toContain(judgement?.cause);
        expect(judgeFailure({ kind: 'inspect', failure, step, looksAgain: false })).toBeUndefined();
      }
    }
  });

  it('only a start that is over counts in the share', () => {
    for (const kind of ['start', 'pause', 'resume'] as const) {
      for (const failure of FAILURE_KINDS) {
        for (const step of ['hold', 'retry', 'fall_back', 'give_up'] as const) {
          for (const looksAgain of [false, true]) {
            const judgement = judgeFailure({ kind, failure, step, looksAgain });
            if (judgement === undefined || judgement.counts === 'in_row') continue;
            expect(kind).toBe('start');
            if (judgement.cause === 'failures') expect(['fall_back', 'give_up']).toContain(step);
          }
        }
      }
    }
  });
});
