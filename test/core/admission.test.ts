import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Admission,
  admit,
  canonicalJson,
  MAX_PENDING_OPERATIONS,
  type PendingOperation,
} from '../../src/core/admission.ts';
import type { OperationKind, OperationOptions } from '../../src/core/operation.ts';
import { SANDBOX_STATES, type SandboxState } from '../../src/core/sandbox.ts';

type Request = { readonly kind: OperationKind; readonly options: OperationOptions };

const PAUSE: Request = { kind: 'pause', options: { requiresRamSnapshot: true } };
const LOSSY_PAUSE: Request = { kind: 'pause', options: { requiresRamSnapshot: false } };
const RESUME: Request = { kind: 'resume', options: { onLostMemory: 'fail' } };
const COLD_RESUME: Request = { kind: 'resume', options: { onLostMemory: 'cold-boot' } };
const DESTROY: Request = { kind: 'destroy', options: {} };
const INSPECT: Request = { kind: 'inspect', options: {} };
const CONFIGURE: Request = { kind: 'configure', options: {} };
const START: Request = { kind: 'start', options: {} };

const queued = (id: string, request: Request): PendingOperation => ({ id, ...request, state: 'queued' });
const begun = (id: string, request: Request): PendingOperation => ({ id, ...request, state: 'begun' });

const ENDED: readonly SandboxState[] = ['destroyed', 'failed', 'lost'];

describe('admit', () => {
  it.each<[string, SandboxState, readonly PendingOperation[], Request, Admission]>([
    ['a pause of an idle sandbox', 'running', [], PAUSE, { verdict: 'enqueue', supersede: [] }],
    [
      'an equal pause not begun',
      'running',
      [queued('a', PAUSE)],
      PAUSE,
      { verdict: 'join', operationId: 'a', supersede: [] },
    ],
    [
      'an equal pause begun',
      'pausing',
      [begun('a', PAUSE)],
      PAUSE,
      { verdict: 'join', operationId: 'a', supersede: [] },
    ],
    [
      'a pause where a renewal waits',
      'running',
      [queued('c', CONFIGURE)],
      PAUSE,
      { verdict: 'enqueue', supersede: ['c'] },
    ],
    [
      'a pause behind a renewal that has begun',
      'running',
      [begun('c', CONFIGURE)],
      PAUSE,
      { verdict: 'enqueue', supersede: [] },
    ],
    [
      'a renewal where anything is under way',
      'running',
      [queued('a', INSPECT)],
      CONFIGURE,
      { verdict: 'refuse', code: 'wrong_state', message: 'something else is under way' },
    ],
    [
      'a pause with other options',
      'running',
      [queued('a', PAUSE)],
      LOSSY_PAUSE,
      { verdict: 'enqueue', supersede: [] },
    ],
    ['a pause behind a start', 'starting', [begun('s', START)], PAUSE, { verdict: 'enqueue', supersede: [] }],
    [
      'a pause equal to one that is not the last',
      'running',
      [begun('a', PAUSE), queued('b', RESUME)],
      PAUSE,
      { verdict: 'enqueue', supersede: [] },
    ],
    [
      'a resume behind a pause not begun',
      'running',
      [queued('a', PAUSE)],
      RESUME,
      { verdict: 'enqueue', supersede: ['a'] },
    ],
    [
      'a resume behind a pause begun',
      'pausing',
      [begun('a', PAUSE)],
      RESUME,
      { verdict: 'enqueue', supersede: [] },
    ],
    [
      'a resume behind two pauses, the first begun',
      'pausing',
      [begun('a', PAUSE), queued('b', LOSSY_PAUSE)],
      RESUME,
      { verdict: 'enqueue', supersede: ['b'] },
    ],
    [
      'a resume that joins once the pause between is superseded',
      'resuming',
      [begun('a', RESUME), queued('b', PAUSE)],
      RESUME,
      { verdict: 'join', operationId: 'a', supersede: ['b'] },
    ],
    [
      'a resume with other options does not join',
      'resuming',
      [begun('a', RESUME), queued('b', PAUSE)],
      COLD_RESUME,
      { verdict: 'enqueue', supersede: ['b'] },
    ],
    ['a destroy of an idle sandbox', 'running', [], DESTROY, { verdict: 'enqueue', supersede: [] }],
    [
      'a destroy behind what has not begun',
      'running',
      [queued('a', PAUSE), queued('b', RESUME)],
      DESTROY,
      { verdict: 'enqueue', supersede: ['a', 'b'] },
    ],
    [
      'a destroy behind what has begun',
      'pausing',
      [begun('a', PAUSE), queued('b', RESUME)],
      DESTROY,
      { verdict: 'enqueue', supersede: ['b'] },
    ],
    [
      'a destroy behind a start that waits',
      'requested',
      [queued('s', START)],
      DESTROY,
      { verdict: 'enqueue', supersede: ['s'] },
    ],
    [
      'a destroy behind a destroy',
      'destroying',
      [begun('d', DESTROY)],
      DESTROY,
      { verdict: 'join', operationId: 'd', supersede: [] },
    ],
    ['a destroy of a stuck sandbox', 'stuck', [], DESTROY, { verdict: 'enqueue', supersede: [] }],
    [
      'a pause before a destroy that waits',
      'pausing',
      [begun('a', PAUSE), queued('d', DESTROY)],
      PAUSE,
      { verdict: 'refuse', code: 'wrong_state', message: 'the sandbox is being destroyed' },
    ],
  ])('judges %s', (_case, state, pending, request, verdict) => {
    expect(admit({ state, pending, request })).toEqual(verdict);
  });

  it.each(ENDED)('has nothing left to do for a destroy of a %s sandbox', (state) => {
    expect(admit({ state, pending: [], request: DESTROY })).toEqual({ verdict: 'already_done' });
  });

  it.each(ENDED)('refuses anything but a destroy of a %s sandbox, and says its state', (state) => {
    for (const request of [PAUSE, RESUME, START]) {
      expect(admit({ state, pending: [], request })).toEqual({
        verdict: 'refuse',
        code: 'wrong_state',
        message: expect.stringContaining(state),
      });
    }
  });

  /** A line of unequal neighbours, so that nothing joins; the first has begun, so that a pause is kept. */
  const line = (length: number) =>
    Array.from({ length }, (_, index) =>
      (index === 0 ? begun : queued)(`op${index}`, index % 2 ? LOSSY_PAUSE : PAUSE),
    );

  it('takes one more with just under the greatest number of waiting operations', () => {
    const pending = line(MAX_PENDING_OPERATIONS - 1);
    const request = pending.length % 2 ? LOSSY_PAUSE : PAUSE;
    expect(admit({ state: 'pausing', pending, request })).toMatchObject({ verdict: 'enqueue' });
  });

  it('refuses exactly at the greatest number, but lets an equal one join and a destroy through', () => {
    const pending = line(MAX_PENDING_OPERATIONS);
    const [equal, unequal] = pending.length % 2 ? [PAUSE, LOSSY_PAUSE] : [LOSSY_PAUSE, PAUSE];
    expect(admit({ state: 'pausing', pending, request: unequal })).toMatchObject({
      verdict: 'refuse',
      code: 'too_many_operations',
    });
    expect(admit({ state: 'pausing', pending, request: equal })).toMatchObject({ verdict: 'join' });
    expect(admit({ state: 'pausing', pending, request: DESTROY })).toMatchObject({ verdict: 'enqueue' });
    expect(admit({ state: 'pausing', pending, request: RESUME })).toMatchObject({ verdict: 'enqueue' });
  });
});

describe('a sandbox under any sequence of requests', () => {
  const requests = fc.constantFrom(PAUSE, LOSSY_PAUSE, RESUME, COLD_RESUME, DESTROY);
  const steps = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: requests.map((request) => ({ do: 'submit' as const, request })) },
      { weight: 1, arbitrary: fc.constant({ do: 'begin' as const }) },
      { weight: 1, arbitrary: fc.constant({ do: 'settle' as const }) },
    ),
    { maxLength: 60 },
  );

  /** What the store does with the verdicts, as small as it can be told. */
  function createModel() {
    let pending: readonly PendingOperation[] = [];
    let state: SandboxState = 'running';
    let nextId = 0;
    return {
      pending: () => pending,
      state: () => state,
      submit(request: Request): Admission {
        const before = pending;
        const verdict = admit({ state, pending, request });
        if (verdict.verdict === 'refuse' || verdict.verdict === 'already_done') return verdict;
        for (const id of verdict.supersede) {
          expect(before.find((operation) => operation.id === id)?.state).toBe('queued');
        }
        pending = pending.filter(({ id }) => !verdict.supersede.includes(id));
        if (verdict.verdict === 'enqueue') {
          pending = [...pending, queued(`op${nextId}`, request)];
          nextId += 1;
        } else {
          const joined = pending.find(({ id }) => id === verdict.operationId);
          expect(joined).toMatchObject({ kind: request.kind, options: request.options });
        }
        return verdict;
      },
      begin() {
        const [first, ...rest] = pending;
        if (first) pending = [{ ...first, state: 'begun' }, ...rest];
      },
      settle() {
        const [first, ...rest] = pending;
        if (first?.state !== 'begun') return;
        pending = rest;
        if (first.kind === 'destroy') state = 'destroyed';
      },
    };
  }

  it('has at most one operation begun, at most one destroy and that last, and a bounded line', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const model = createModel();
        for (const step of sequence) {
          if (step.do === 'submit') model.submit(step.request);
          else model[step.do]();
          const pending = model.pending();
          expect(pending.filter((operation) => operation.state === 'begun').length).toBeLessThanOrEqual(1);
          const destroyAt = pending.findIndex((operation) => operation.kind === 'destroy');
          expect([-1, pending.length - 1]).toContain(destroyAt);
          // A destroy is never refused for the length of the line: it may be the one beyond.
          const limit = MAX_PENDING_OPERATIONS + (destroyAt === -1 ? 0 : 1);
          expect(pending.length).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });

  it('is destroyed after any history, once what has begun and the destroy have settled', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const model = createModel();
        for (const step of sequence) {
          if (step.do === 'submit') model.submit(step.request);
          else model[step.do]();
        }
        expect(model.submit(DESTROY).verdict).not.toBe('refuse');
        expect(model.pending().length).toBeLessThanOrEqual(2);
        for (let turn = 0; turn < 2; turn += 1) {
          model.begin();
          model.settle();
        }
        expect(model).toSatisfy(() => model.pending().length === 0 && model.state() === 'destroyed');
      }),
    );
  });

  it('never leaves a pause that has not begun in front of a resume accepted after it', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(RESUME, COLD_RESUME), (sequence, resume) => {
        const model = createModel();
        for (const step of sequence) {
          if (step.do === 'submit') model.submit(step.request);
          else model[step.do]();
        }
        const { verdict } = model.submit(resume);
        const waitingPauses = model
          .pending()
          .filter(({ kind, state }) => kind === 'pause' && state === 'queued');
        if (verdict === 'enqueue' || verdict === 'join') expect(waitingPauses).toEqual([]);
      }),
    );
  });

  it('answers in every state', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SANDBOX_STATES), requests, (state, request) => {
        const { verdict } = admit({ state, pending: [], request });
        const ended = ENDED.includes(state);
        const expected = ended ? (request.kind === 'destroy' ? 'already_done' : 'refuse') : 'enqueue';
        expect(verdict).toBe(expected);
      }),
    );
  });
});

describe('canonicalJson', () => {
  it('gives equal values equal text, whatever the order of their keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it.each([
    [{ a: 1 }, { a: 2 }],
    [
      [1, 2],
      [2, 1],
    ],
    [{ a: {} }, { a: [] }],
    [{ a: null }, {}],
  ])('tells %j from %j', (one, other) => {
    expect(canonicalJson(one)).not.toBe(canonicalJson(other));
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)]),
  );
}

describe('admit, with background decisions', () => {
  const pinned = (id: string, request: Request, state: 'queued' | 'begun' = 'queued'): PendingOperation => ({
    id,
    ...request,
    state,
    pinned: true,
  });

  it.each<[string, SandboxState, readonly PendingOperation[], Request & { pinned?: boolean }, unknown]>([
    ['a sweep beside a caller', 'running', [queued('a', PAUSE)], { ...PAUSE, pinned: true }, 'refuse'],
    ['a sweep beside a refresh', 'running', [queued('i', INSPECT)], { ...PAUSE, pinned: true }, 'enqueue'],
    ['a sweep twice', 'running', [pinned('a', PAUSE)], { ...PAUSE, pinned: true }, 'join'],
    ['a caller who wants the same', 'running', [pinned('a', PAUSE)], PAUSE, 'join'],
    ['a caller who wants another pause', 'running', [pinned('a', PAUSE)], LOSSY_PAUSE, 'enqueue over a'],
    ['a resume against a destroy not begun', 'paused', [pinned('d', DESTROY)], RESUME, 'enqueue over d'],
    ['a resume against a destroy begun', 'destroying', [pinned('d', DESTROY, 'begun')], RESUME, 'refuse'],
    ['a refresh beside a sweep', 'running', [pinned('a', PAUSE)], INSPECT, 'enqueue'],
  ])('%s', (_title, state, pending, request, expected) => {
    const admission = admit({ state, pending, request });
    const over =
      'supersede' in admission && admission.supersede.length > 0 ? ` over ${admission.supersede}` : '';
    expect(`${admission.verdict}${over}`).toBe(expected);
  });
});
