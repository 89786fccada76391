import { describe, expect, test } from 'vitest';
import type { Guest } from '../../src/core/guest.ts';
import type { Attempt, Operation, OperationKind, OperationState } from '../../src/core/operation.ts';
import { guestsMeantFor, isDone, isTurnOver } from '../../src/core/turn-over.ts';

function operation(
  state: OperationState,
  attempts: readonly Partial<Attempt>[],
  kind: OperationKind = 'start',
) {
  return { id: 'op-1', kind, state, attempts } as Operation;
}

const SENT = { id: 'pvelxc-1', sentAtMs: 1 } as Guest;
const UNSENT = { id: 'pvelxc-1' } as Guest;
const CLOSED = { provider: 'pve-lxc', outcome: 'failed' } as const;
const OPEN = { provider: 'pve-lxc', outcome: 'open' } as const;
const ON_MORPH = { provider: 'morph', outcome: 'open' } as const;

describe('the turn of a start', () => {
  test.each<[string, Operation, readonly (Guest | undefined)[], boolean]>([
    ['that settled with no guest is over', operation('superseded', [CLOSED]), [], true],
    ['that settled with a guest that was never sent is over', operation('failed', [CLOSED]), [UNSENT], true],
    ['that settled with a guest that was sent is not', operation('failed', [CLOSED]), [SENT], false],
    ['of whose guests one was sent is not', operation('failed', [CLOSED]), [UNSENT, SENT], false],
    ['whose guest has no record any more is not', operation('failed', [CLOSED]), [undefined], false],
    ['that goes on elsewhere with no guest here is over', operation('begun', [CLOSED, ON_MORPH]), [], true],
    [
      'that goes on elsewhere after a create here is not',
      operation('begun', [CLOSED, ON_MORPH]),
      [SENT],
      false,
    ],
    ['that tries again here is not', operation('begun', [CLOSED, OPEN]), [], false],
    ['whose attempt is open here is not', operation('begun', [OPEN]), [], false],
    ['that has not begun is not', operation('queued', [OPEN]), [], false],
    ['with no open attempt, not settled, is not', operation('begun', [CLOSED]), [], false],
  ])('%s', (_what, start, guests, over) => {
    expect(isTurnOver(start, guests, 'pve-lxc')).toBe(over);
  });
});

test.each<[OperationKind]>([['pause'], ['resume'], ['destroy'], ['discard']])(
  'what a %s that settled has sent is not known, so its permit is not over',
  (kind) => {
    expect(isTurnOver(operation('failed', [CLOSED], kind), [], 'pve-lxc')).toBe(false);
  },
);

test.each<[string, Operation, boolean]>([
  ['one that succeeded has nothing under way', operation('succeeded', [CLOSED], 'destroy'), true],
  ['one that failed may have', operation('failed', [CLOSED], 'destroy'), false],
  ['one that goes on may have', operation('begun', [CLOSED, OPEN], 'destroy'), false],
  ['one that succeeded elsewhere may have left something', operation('succeeded', [CLOSED, ON_MORPH]), false],
])('of operations, %s', (_what, of, done) => {
  expect(isDone(of)).toBe(done);
});

test('only guests of this provider count, each once', () => {
  const start = operation('begun', [
    { ...CLOSED, guestId: 'pvelxc-1' },
    { ...CLOSED, guestId: 'pvelxc-1' },
    CLOSED,
    { ...ON_MORPH, guestId: 'morph-1' },
  ]);
  expect(guestsMeantFor(start, 'pve-lxc')).toEqual(['pvelxc-1']);
});
