import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { GuestCondition, GuestState } from '../../src/core/guest.ts';
import { reconcile } from '../../src/core/reconcile.ts';
import { SANDBOX_STATES } from '../../src/core/sandbox.ts';
import { guest, LAG_MS, marker, NOW_MS, RETENTION_MS, sandbox, seen, world } from './reconcile-case.ts';

const kinds = (input: Parameters<typeof reconcile>[0]) => reconcile(input).map(({ verdict }) => verdict);

test('a guest that is as recorded is consistent', () => {
  expect(kinds(world())).toEqual(['consistent']);
});

describe('a guest without a record', () => {
  const alone = { guests: [], sandboxes: [] };

  it('is adopted when a sandbox here points to it', () => {
    expect(kinds(world({ guests: [], seen: [seen({ marker: marker() })] }))).toEqual(['adopt']);
  });

  it('is unowned when nobody answers for it', () => {
    const verdicts = reconcile(world({ ...alone, seen: [seen({ marker: marker() })] }));
    expect(verdicts).toMatchObject([{ verdict: 'record_unowned', isNewer: false }]);
  });

  it('is unowned when its sandbox points to another guest, or has ended', () => {
    const elsewhere = sandbox();
    const other = {
      ...elsewhere,
      placement: { ...elsewhere.placement, guestId: 'morph-2' },
    } as typeof elsewhere;
    for (const each of [other, sandbox({ state: 'lost' })]) {
      const input = world({ guests: [], sandboxes: [each], seen: [seen({ marker: marker() })] });
      expect(kinds(input)).toEqual(['record_unowned']);
    }
  });

  it('is left alone without a marker, and with that of another deployment', () => {
    expect(kinds(world({ ...alone, seen: [seen()] }))).toEqual([]);
    expect(kinds(world({ ...alone, seen: [seen({ marker: marker({ deployment: 'dev' }) })] }))).toEqual([]);
  });

  it.each([
    ['an operation that is known, with an attempt that is known', { attempts: { 'op-1': 1 } }, {}, false],
    ['a known operation’s later attempt', { attempts: { 'op-1': 1 } }, { attempt: 2 }, true],
    ['an unknown operation of an unknown time', { attempts: {} }, {}, true],
    ['another installation of this deployment', { attempts: { 'op-1': 1 } }, { install: 'i2' }, true],
  ])('that tells of %s: newer than the registry?', (_name, known, changes, isNewer) => {
    const input = world({ ...alone, ...known, seen: [seen({ marker: marker(changes) })] });
    expect(reconcile(input)).toMatchObject([{ verdict: 'record_unowned', isNewer }]);
  });

  it.each([
    ['just young enough to be remembered', NOW_MS - RETENTION_MS + 1, true],
    ['exactly as old as what may be forgotten', NOW_MS - RETENTION_MS, false],
  ])('that tells of an unknown operation, %s', (_name, operationAtMs, isNewer) => {
    const input = world({ ...alone, attempts: {}, seen: [seen({ marker: marker(), operationAtMs })] });
    expect(reconcile(input)).toMatchObject([{ isNewer }]);
  });
});

describe('a guest with a record', () => {
  it('is left to its attempt while one is under way, whatever it looks like', () => {
    const creating = guest({ state: 'creating' });
    const starting = { ...sandbox({ state: 'starting' }), placement: undefined };
    const sandboxes = [starting as unknown as ReturnType<typeof sandbox>];
    expect(kinds(world({ guests: [creating], sandboxes, busy: ['sbx-1'] }))).toEqual([]);
    expect(kinds(world({ guests: [creating], sandboxes, busy: ['sbx-1'], seen: [] }))).toEqual([]);
  });

  it('is discarded when it is condemned here', () => {
    expect(kinds(world({ guests: [guest({ state: 'condemned' })] }))).toEqual(['discard']);
  });

  it('of two for one sandbox, the one that it does not point to is disowned', () => {
    const second = guest({
      id: 'pvevm-00000002',
      ref: { provider: 'pve-vm', guestId: 'pvevm-00000002', nativeId: '20002' },
    });
    const seenSecond = seen({ ref: { provider: 'pve-vm', guestId: 'pvevm-00000002', nativeId: '20002' } });
    const verdicts = reconcile(world({ guests: [guest(), second], seen: [seen(), seenSecond] }));
    expect(verdicts).toMatchObject([
      { verdict: 'consistent', guest: { id: 'pvevm-00000001' } },
      { verdict: 'disown', guest: { id: 'pvevm-00000002' } },
    ]);
  });

  it('is disowned when it was called gone, and is there', () => {
    expect(kinds(world({ guests: [guest({ state: 'gone' })] }))).toEqual(['disown']);
  });

  it('has drifted when it was renamed, copied, or its marker was changed', () => {
    const renamed = seen({ ref: { provider: 'pve-vm', guestId: 'ada', nativeId: '20001' } });
    const copied = seen({ ref: { provider: 'pve-vm', guestId: 'pvevm-00000001', nativeId: '999' } });
    expect(kinds(world({ seen: [renamed] }))).toEqual(['drifted']);
    expect(kinds(world({ seen: [seen(), copied] }))).toEqual(['consistent', 'drifted']);
    expect(kinds(world({ seen: [seen({ drift: 'it carries no marker' })] }))).toEqual(['drifted']);
  });

  it.each([
    ['running', undefined, 'running', 'consistent'],
    ['running', undefined, 'paused', 'inspect'],
    ['running', undefined, 'stopped', 'inspect'],
    ['running', undefined, 'pausing', 'consistent'],
    ['running', undefined, 'unknown', 'consistent'],
    ['paused', true, 'paused', 'consistent'],
    ['paused', true, 'running', 'inspect'],
    ['paused', true, 'stopped', 'inspect'],
    ['paused', false, 'stopped', 'consistent'],
    ['paused', false, 'running', 'inspect'],
    ['stuck', undefined, 'running', 'inspect'],
    ['stuck', undefined, 'stuck', 'inspect'],
  ] as const)('%s (memory kept: %s) and seen %s: %s', (state, preservesRam, condition, expected) => {
    const recorded = sandbox({ state, ...(preservesRam === undefined ? {} : { preservesRam }) });
    expect(kinds(world({ sandboxes: [recorded], seen: [seen({ condition })] }))).toEqual([expected]);
  });

  it.each([
    ['just within the list’s lag', NOW_MS - LAG_MS + 1, 'consistent'],
    ['exactly past it', NOW_MS - LAG_MS, 'inspect'],
  ])('whose record changed %s is judged by the list accordingly', (_name, updatedAtMs, expected) => {
    const recorded = sandbox({ updatedAtMs });
    expect(kinds(world({ sandboxes: [recorded], seen: [seen({ condition: 'paused' })] }))).toEqual([
      expected,
    ]);
  });
});

describe('a guest that the list does not show', () => {
  it('is only suspected', () => {
    expect(kinds(world({ seen: [] }))).toEqual(['suspect']);
    expect(kinds(world({ seen: [], guests: [guest({ state: 'unowned' })] }))).toEqual(['suspect_unowned']);
  });

  it('is not even suspected in its first minute, nor while something is under way, nor when condemned', () => {
    expect(kinds(world({ seen: [], sandboxes: [sandbox({ updatedAtMs: NOW_MS - LAG_MS + 1 })] }))).toEqual(
      [],
    );
    expect(kinds(world({ seen: [], busy: ['sbx-1'] }))).toEqual([]);
    expect(kinds(world({ seen: [], guests: [guest({ state: 'condemned' })] }))).toEqual([]);
  });
});

const STATES: readonly GuestState[] = ['creating', 'live', 'condemned', 'stuck', 'unowned', 'gone'];
const CONDITIONS: readonly GuestCondition[] = [
  'creating',
  'running',
  'pausing',
  'paused',
  'stopped',
  'stuck',
  'gone',
  'unknown',
];

/** A few guests and sandboxes, in any state and under any names, with or without records. */
const inputs = fc
  .array(
    fc.record({
      number: fc.integer({ min: 1, max: 4 }),
      listed: fc.boolean(),
      recorded: fc.boolean(),
      state: fc.constantFrom(...STATES),
      condition: fc.constantFrom(...CONDITIONS),
      sandboxNumber: fc.integer({ min: 1, max: 3 }),
      marked: fc.boolean(),
      install: fc.constantFrom('i1', 'i2'),
      deployment: fc.constantFrom('prod', 'dev'),
      sandboxState: fc.constantFrom(...SANDBOX_STATES),
      sandboxKnown: fc.boolean(),
      busy: fc.boolean(),
    }),
    { maxLength: 6 },
  )
  .map((rows) => {
    const idOf = (number: number) => `pvevm-0000000${number}`;
    const refOf = (number: number) =>
      ({ provider: 'pve-vm', guestId: idOf(number), nativeId: String(20_000 + number) }) as const;
    return world({
      seen: rows
        .filter(({ listed }) => listed)
        .map(({ number, condition, marked, install, deployment, sandboxNumber }) => {
          const carried = { guest: idOf(number), install, deployment, sandbox: `sbx-${sandboxNumber}` };
          return seen({ ref: refOf(number), condition, ...(marked ? { marker: marker(carried) } : {}) });
        }),
      guests: rows
        .filter(({ recorded }) => recorded)
        .map(({ number, state, sandboxNumber }) =>
          guest({ id: idOf(number), state, sandboxId: `sbx-${sandboxNumber}`, ref: refOf(number) }),
        ),
      sandboxes: rows
        .filter(({ sandboxKnown }) => sandboxKnown)
        .map(({ sandboxNumber, sandboxState, number }) => {
          const base = sandbox({ id: `sbx-${sandboxNumber}`, state: sandboxState });
          return { ...base, placement: { ...base.placement, ...refOf(number) } } as typeof base;
        }),
      busy: rows.filter(({ busy }) => busy).map(({ sandboxNumber }) => `sbx-${sandboxNumber}`),
    });
  });

describe('whatever is met', () => {
  it('never proposes destroying a guest whose record is missing, or not condemned here', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        for (const verdict of reconcile(input)) {
          if (verdict.verdict !== 'discard') continue;
          expect(['condemned', 'stuck']).toContain(input.guests.get(verdict.guest.id)?.state);
        }
      }),
    );
  });

  it('never touches a guest of another deployment that it has no record of', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        for (const verdict of reconcile(input)) {
          if (verdict.verdict !== 'adopt' && verdict.verdict !== 'record_unowned') continue;
          expect(verdict.seen.marker?.deployment).toBe('prod');
        }
      }),
    );
  });

  it('never disowns the guest that a living sandbox points to, nor one with work under way', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        for (const verdict of reconcile(input)) {
          if (verdict.verdict !== 'disown' || verdict.guest.state === 'gone') continue;
          const owner = input.sandboxes.get(verdict.guest.sandboxId);
          const isOver = owner && ['destroyed', 'failed', 'lost'].includes(owner.state);
          expect(owner?.placement?.guestId !== verdict.guest.id || isOver).toBe(true);
          expect(input.busy.has(verdict.guest.sandboxId)).toBe(false);
        }
      }),
    );
  });
});
