/** Each thing that a chaos run must never find is planted here, and found. */
import { describe, expect, it } from 'vitest';
import {
  type Accepted,
  judge,
  leakedAmong,
  observeUnanswered,
  type Registry,
  type SeenGuest,
} from '../../chaos/checker.ts';

const ACCEPTED: readonly Accepted[] = [
  { operationId: 'op-1', sandboxId: 'sbx-1' },
  { operationId: 'op-2', sandboxId: 'sbx-1' },
];

const GUEST: SeenGuest = { nativeId: '20000', guestId: 'pvevm-1', sandboxId: 'sbx-1', running: true };
const LIVE = { state: 'live', sandboxId: 'sbx-1', createdByOperation: 'op-1' } as const;

/** One sandbox that runs, with its guest and two settled operations; a case plants what is wrong. */
function registry(planted: {
  readonly sandboxes?: Iterable<[string, MapValue<Registry['sandboxes']>]>;
  readonly guests?: Iterable<[string, MapValue<Registry['guests']>]>;
  readonly operations?: Iterable<[string, MapValue<Registry['operations']>]>;
}): Registry {
  const settled = { state: 'succeeded', kind: 'start', sandboxId: 'sbx-1' } as const;
  return {
    sandboxes: new Map<string, MapValue<Registry['sandboxes']>>([
      ['sbx-1', { state: 'running', guestId: 'pvevm-1' }],
      ...(planted.sandboxes ?? []),
    ]),
    guests: new Map<string, MapValue<Registry['guests']>>([['pvevm-1', LIVE], ...(planted.guests ?? [])]),
    operations: new Map<string, MapValue<Registry['operations']>>([
      ['op-1', settled],
      ['op-2', settled],
      ...(planted.operations ?? []),
    ]),
  };
}

type MapValue<M> = M extends ReadonlyMap<string, infer V> ? V : never;

const ids = (findings: readonly { readonly id: string }[]) => findings.map(({ id }) => id);

describe('the checker', () => {
  it('finds nothing where inventory, records and promises agree', () => {
    const verdict = judge([GUEST], registry({}), ACCEPTED);
    expect(Object.values(verdict).flat()).toEqual([]);
  });

  it('catches a planted lost operation', () => {
    const verdict = judge([GUEST], registry({}), [
      ...ACCEPTED,
      { operationId: 'op-lost', sandboxId: 'sbx-1' },
    ]);
    expect(ids(verdict.lost)).toEqual(['op-lost']);
  });

  it('catches a planted lost sandbox', () => {
    const verdict = judge([GUEST], registry({}), [
      ...ACCEPTED,
      { operationId: 'op-1', sandboxId: 'sbx-lost' },
    ]);
    expect(ids(verdict.lost)).toEqual(['sbx-lost']);
  });

  it.each(['running', 'paused'] as const)('calls a %s sandbox lost whose guest is nowhere', (state) => {
    const verdict = judge([], registry({ sandboxes: [['sbx-1', { state, guestId: 'pvevm-1' }]] }), ACCEPTED);
    expect(ids(verdict.lost)).toEqual(['sbx-1']);
  });

  it('leaves a sandbox alone that changes just now', () => {
    const operation = { state: 'begun', kind: 'destroy', sandboxId: 'sbx-1' } as const;
    const verdict = judge([], registry({ operations: [['op-3', operation]] }), ACCEPTED);
    expect(verdict.lost).toEqual([]);
    expect(ids(verdict.unsettled)).toEqual(['op-3']);
  });

  const second: SeenGuest = { nativeId: 'morphvm_1', guestId: 'morph-1', sandboxId: 'sbx-1', running: true };

  it.each([['live'], ['creating']] as const)('catches a planted duplicate that is %s', (state) => {
    const verdict = judge([GUEST, second], registry({ guests: [['morph-1', { ...LIVE, state }]] }), ACCEPTED);
    expect(ids(verdict.duplicates)).toEqual(['sbx-1']);
  });

  it('catches a planted duplicate without any record', () => {
    expect(ids(judge([GUEST, second], registry({}), ACCEPTED).duplicates)).toEqual(['sbx-1']);
  });

  it('calls a condemned guest no duplicate, and unsettled while it is there', () => {
    const planted = registry({ guests: [['morph-1', { ...LIVE, state: 'condemned' }]] });
    expect(judge([GUEST, second], planted, ACCEPTED)).toMatchObject({
      duplicates: [],
      unanswered: [],
      unsettled: [{ id: 'morph-1' }],
    });
    expect(judge([GUEST], planted, ACCEPTED).unsettled).toEqual([]);
  });

  it.each([
    ['without a marker', { nativeId: '20001', running: true }, {}, '20001'],
    ['without a record', second, {}, 'morph-1'],
    ['recorded as gone', second, { guests: [['morph-1', { ...LIVE, state: 'gone' }]] }, 'morph-1'],
    ['that its sandbox does not use', second, { guests: [['morph-1', LIVE]] }, 'morph-1'],
    [
      'whose start has settled without it',
      second,
      { guests: [['morph-1', { ...LIVE, state: 'creating' }]] },
      'morph-1',
    ],
    ['of a sandbox that has ended', GUEST, { sandboxes: [['sbx-1', { state: 'destroyed' }]] }, 'pvevm-1'],
  ] as const)('finds that nobody answers for a guest %s', (_what, guest, planted, id) => {
    const verdict = judge([guest], registry(planted as Parameters<typeof registry>[0]), []);
    expect(ids(verdict.unanswered)).toEqual([id]);
  });

  it('leaves a guest to the start that is making it', () => {
    const creator = { state: 'begun', kind: 'start', sandboxId: 'sbx-2' } as const;
    const planted = registry({
      guests: [['morph-1', { state: 'creating', sandboxId: 'sbx-2', createdByOperation: 'op-3' }]],
      operations: [['op-3', creator]],
      sandboxes: [['sbx-2', { state: 'starting' }]],
    });
    expect(judge([{ ...second, sandboxId: 'sbx-2' }], planted, []).unanswered).toEqual([]);
  });

  it.each(['stuck', 'resuming'] as const)('calls a sandbox that stays %s unsettled', (state) => {
    const planted = registry({ sandboxes: [['sbx-1', { state, guestId: 'pvevm-1' }]] });
    expect(ids(judge([GUEST], planted, ACCEPTED).unsettled)).toEqual(['sbx-1']);
  });

  it('reports a stuck sandbox instead where the provider shows the lock', () => {
    const planted = registry({ sandboxes: [['sbx-1', { state: 'stuck', guestId: 'pvevm-1' }]] });
    const verdict = judge([{ ...GUEST, lock: 'suspending' }], planted, ACCEPTED);
    expect(verdict.unsettled).toEqual([]);
    expect(ids(verdict.stuck)).toEqual(['sbx-1']);
  });

  it('recognises a half removed guest, which has lost its marker, by its place', () => {
    const planted = registry({
      sandboxes: [['sbx-1', { state: 'stuck', guestId: 'pvevm-1' }]],
      guests: [['pvevm-1', { ...LIVE, nativeId: '20000' }]],
    });
    const verdict = judge([{ nativeId: '20000', running: false, lock: 'destroyed' }], planted, ACCEPTED);
    expect(verdict).toMatchObject({ unanswered: [], unsettled: [], stuck: [{ id: 'sbx-1' }] });
  });

  it('sees a record drift from its guest', () => {
    const planted = registry({ sandboxes: [['sbx-1', { state: 'paused', guestId: 'pvevm-1' }]] });
    expect(ids(judge([GUEST], planted, ACCEPTED).drifted)).toEqual(['sbx-1']);
  });
});

describe('a guest that nobody answers for', () => {
  const unanswered = judge([{ nativeId: '20001', running: true }], registry({}), []);
  const clean = judge([GUEST], registry({}), []);
  const neverAway = () => 0;

  it('is leaked once the grace is over, not before', () => {
    const first = observeUnanswered(new Map(), unanswered, 1_000);
    const later = observeUnanswered(first, unanswered, 2_000);
    expect(leakedAmong(later, 20_999, 20_000, neverAway)).toEqual([]);
    expect(ids(leakedAmong(later, 21_000, 20_000, neverAway))).toEqual(['20001']);
  });

  it('has the time in which Redis was away for free', () => {
    const first = observeUnanswered(new Map(), unanswered, 1_000);
    expect(leakedAmong(first, 21_000, 20_000, () => 1)).toEqual([]);
  });

  it('begins anew when somebody answered for it in between', () => {
    const first = observeUnanswered(new Map(), unanswered, 1_000);
    const answered = observeUnanswered(first, clean, 2_000);
    const again = observeUnanswered(answered, unanswered, 3_000);
    expect(leakedAmong(again, 21_000, 20_000, neverAway)).toEqual([]);
  });
});
