import { describe, expect, it } from 'vitest';
import type { Marker } from '../../src/core/marker.ts';
import { installsOf, type MarkedGuest, planRebuild, type RebuildInput } from '../../src/core/rebuild.ts';

function marked(name: string, more: Partial<Marker> = {}, seen: Partial<MarkedGuest> = {}): MarkedGuest {
  const guestId = `pvevm-${name}`;
  return {
    ref: { provider: 'pve-vm', guestId, nativeId: '20001', node: 'pve1' },
    condition: 'running',
    marker: {
      ...{ deployment: 'production', install: 'inst-1', sandbox: 'sbx-1', guest: guestId },
      ...{ operation: 'op-1', attempt: 1 },
      ...more,
    },
    ...{ failureDomain: 'pve', preservesRam: true, simulated: false },
    ...seen,
  };
}

function plan(found: readonly MarkedGuest[], more: Partial<RebuildInput> = {}) {
  const { restore, unowned, notNow, known } = planRebuild({
    ...{ deployment: 'production', installs: new Set(['inst-1']), found },
    ...{ guests: new Map(), sandboxes: new Map(), busy: new Set() },
    ...more,
  });
  const ids = (entries: readonly { readonly guest: MarkedGuest }[]) =>
    entries.map(({ guest }) => guest.ref.guestId);
  return { restored: ids(restore), unowned: ids(unowned), notNow: ids(notNow), known: known.length, restore };
}

describe('two guests of one sandbox', () => {
  it.each([
    ['the higher attempt of one start', { attempt: 2 }],
    ['the later operation, whatever its attempt', { operation: 'op-2', attempt: 1 }],
  ])('%s is restored, and the other is left alone as unowned', (_which, later) => {
    const [old, young] = [marked('old', { attempt: 1 }), marked('new', later)];
    for (const found of [
      [old, young],
      [young, old],
    ]) {
      expect(plan(found)).toMatchObject({ restored: ['pvevm-new'], unowned: ['pvevm-old'] });
    }
  });
});

describe('whose guests are ours', () => {
  const found = [
    marked('a'),
    marked('b', { install: 'inst-2', sandbox: 'sbx-2' }),
    marked('c', { deployment: 'staging', sandbox: 'sbx-3' }),
  ];

  it('those of the named installations of this deployment, and nobody else’s', () => {
    expect(plan(found).restored).toEqual(['pvevm-a']);
    expect(plan(found, { installs: new Set(['inst-1', 'inst-2']) }).restored).toEqual(['pvevm-a', 'pvevm-b']);
    expect(plan(found).unowned).toEqual([]);
  });

  it('installations are counted within the deployment', () => {
    expect([...installsOf('production', found)]).toEqual([
      ['inst-1', 1],
      ['inst-2', 1],
    ]);
  });
});

describe('the state of what is restored', () => {
  it.each([
    ['running', 'running', undefined],
    ['paused', 'paused', true],
    ['stopped', 'paused', false],
    ['stuck', 'stuck', undefined],
  ] as const)('%s becomes %s', (condition, state, preservesRam) => {
    const { restore } = plan([marked('a', {}, { condition })]);
    expect(restore.map((each) => [each.state, each.preservesRam])).toEqual([[state, preservesRam]]);
  });

  it.each(['creating', 'pausing', 'gone', 'unknown'] as const)(
    '%s is left for a later rebuild',
    (condition) => {
      expect(plan([marked('a', {}, { condition })])).toMatchObject({ restored: [], notNow: ['pvevm-a'] });
    },
  );

  it('a sandbox at work is left for a later rebuild', () => {
    expect(plan([marked('a')], { busy: new Set(['sbx-1']) })).toMatchObject({
      restored: [],
      notNow: ['pvevm-a'],
    });
  });
});

it('what the marker does not tell is as cautious as can be', () => {
  const [restored] = plan([marked('a', { team: 'blue', protected: true })]).restore;
  expect(restored?.request).toEqual({
    ...{ requiresRamSnapshot: false, allowFallback: true, metadata: {} },
    ...{ onExpiry: 'pause', protected: true, teamId: 'blue' },
  });
});
