import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PROVIDER_NAMES, type ProviderName } from '../../src/core/provider-name.ts';
import { type StartRequest, WORKLOAD_TYPES } from '../../src/core/start-request.ts';
import { type Case, route, SOURCES, status, VM_AND_MORPH } from './route-case.ts';

describe('the order', () => {
  it.each<[string, Case, readonly ProviderName[]]>([
    ['primary, then fallbacks', {}, ['pve-vm', 'morph']],
    [
      'fallbacks in their own order',
      { policy: { fallbacks: ['morph', 'pve-lxc'] } },
      ['pve-vm', 'morph', 'pve-lxc'],
    ],
    ['primary alone without fallbacks', { policy: { fallbacks: [] } }, ['pve-vm']],
    [
      'a preference before everything',
      { request: { preferredProvider: 'pve-lxc' } },
      ['pve-lxc', 'pve-vm', 'morph'],
    ],
    [
      'a preference, then the workload route, then primary, then fallbacks',
      {
        request: { preferredProvider: 'pve-lxc', workloadType: 'prod' },
        policy: { byWorkload: { prod: 'morph' }, fallbacks: [] },
      },
      ['pve-lxc', 'morph', 'pve-vm'],
    ],
    [
      'a workload route before the primary',
      { request: { workloadType: 'prod' }, policy: { byWorkload: { prod: 'morph' } } },
      ['morph', 'pve-vm'],
    ],
    [
      'no workload route of another workload',
      { request: { workloadType: 'dev' }, policy: { byWorkload: { prod: 'morph' } } },
      ['pve-vm', 'morph'],
    ],
    [
      'no workload route without a workload',
      { policy: { byWorkload: { prod: 'morph' } } },
      ['pve-vm', 'morph'],
    ],
    [
      'a preference for the primary changes nothing',
      { request: { preferredProvider: 'pve-vm' } },
      ['pve-vm', 'morph'],
    ],
    [
      'each name once',
      { request: { preferredProvider: 'morph' }, policy: { fallbacks: ['morph', 'pve-vm', 'morph'] } },
      ['morph', 'pve-vm'],
    ],
    [
      'a rollout in place of the primary',
      {
        policy: {
          rollout: { weights: [{ provider: 'morph', weight: 1 }], key: 'sandbox' },
          fallbacks: ['pve-lxc'],
        },
      },
      ['morph', 'pve-lxc'],
    ],
    [
      'a rollout that gives nobody a share leaves the primary',
      { policy: { rollout: { weights: [{ provider: 'morph', weight: 0 }], key: 'sandbox' }, fallbacks: [] } },
      ['pve-vm'],
    ],
  ])('%s', (_case, given, candidates) => {
    expect(route(given)).toEqual({ candidates, leftOut: [] });
  });

  it.each(WORKLOAD_TYPES)('the route of %s is its own', (workloadType) => {
    const given = { request: { workloadType }, policy: { byWorkload: { [workloadType]: 'morph' } } } as const;
    expect(route(given).candidates[0]).toBe('morph');
  });
});

describe('where both Proxmox kinds are enabled, the workload picks the kind of the primary', () => {
  const PRIMARIES = ['pve-vm', 'pve-lxc'] as const;
  it.each<[string, Partial<StartRequest>, ProviderName | 'the primary']>([
    ['dev', { workloadType: 'dev' }, 'the primary'],
    ['prod', { workloadType: 'prod' }, 'the primary'],
    ['no workload', {}, 'the primary'],
    ['long-running', { workloadType: 'long-running' }, 'pve-vm'],
    ['ephemeral', { workloadType: 'ephemeral' }, 'pve-lxc'],
    ['quick-task', { workloadType: 'quick-task' }, 'pve-lxc'],
    ['a need of RAM', { requiresRamSnapshot: true }, 'pve-vm'],
    ['ephemeral with a need of RAM', { workloadType: 'ephemeral', requiresRamSnapshot: true }, 'pve-vm'],
  ])('%s', (_case, request, kind) => {
    for (const primary of PRIMARIES) {
      const expected = kind === 'the primary' ? primary : kind;
      expect(route({ request, policy: { primary } }).candidates[0]).toBe(expected);
      const rollout = { weights: [{ provider: primary, weight: 1 }], key: 'sandbox' } as const;
      expect(route({ request, policy: { primary: 'morph', rollout } }).candidates[0]).toBe(expected);
    }
  });

  it('but not with one kind only', () => {
    const given = { request: { workloadType: 'ephemeral' }, statuses: VM_AND_MORPH } as const;
    expect(route(given).candidates).toEqual(['pve-vm', 'morph']);
  });

  it('and never for a name that was given for this start, this workload or as a fallback', () => {
    const request = { workloadType: 'ephemeral', preferredProvider: 'pve-vm' } as const;
    expect(route({ request }).candidates[0]).toBe('pve-vm');
    const workload = {
      request: { workloadType: 'ephemeral' },
      policy: { byWorkload: { ephemeral: 'pve-vm' } },
    } as const;
    expect(route(workload).candidates[0]).toBe('pve-vm');
    const fallback = {
      request: { workloadType: 'ephemeral' },
      policy: { primary: 'morph', fallbacks: ['pve-vm'] },
    } as const;
    expect(route(fallback).candidates).toEqual(['morph', 'pve-vm']);
  });

  it('and not when the primary is no Proxmox', () => {
    const given = {
      request: { workloadType: 'ephemeral' },
      policy: { primary: 'morph', fallbacks: [] },
    } as const;
    expect(route(given).candidates).toEqual(['morph']);
  });
});

describe('a filter removes a candidate and says why', () => {
  const { 'pve-vm': _, ...withoutVm } = SOURCES;
  it.each<[string, Case, string]>([
    ['not enabled', { statuses: [status('morph')] }, 'not enabled: no worker serves it'],
    ['no source', { sources: withoutVm, statuses: VM_AND_MORPH }, 'the preset has no source for it'],
    [
      'RAM need unmet',
      {
        request: { requiresRamSnapshot: true },
        statuses: [status('pve-vm', { preservesRam: false }), status('morph')],
      },
      'it cannot keep memory',
    ],
    [
      'over capacity',
      { statuses: [status('pve-vm', { overCapacity: 'pve1 has 2 GiB left' }), status('morph')] },
      'over capacity: pve1 has 2 GiB left',
    ],
  ])('%s', (_case, given, reason) => {
    expect(route(given)).toMatchObject({ candidates: ['morph'], leftOut: [{ provider: 'pve-vm', reason }] });
  });

  it('a container is fit for whoever does not need memory', () => {
    const given = { request: { preferredProvider: 'pve-lxc' }, policy: { fallbacks: [] } } as const;
    expect(route(given).candidates[0]).toBe('pve-lxc');
    const needing = {
      ...given,
      request: { preferredProvider: 'pve-lxc', requiresRamSnapshot: true },
    } as const;
    expect(route(needing)).toEqual({
      candidates: ['pve-vm'],
      leftOut: [{ provider: 'pve-lxc', reason: 'it cannot keep memory' }],
    });
  });

  it('an unhealthy provider is no reason by itself: its breaker decides', () => {
    const statuses = [status('pve-vm', { healthy: false }), status('morph')];
    expect(route({ statuses })).toEqual({ candidates: ['pve-vm', 'morph'], leftOut: [] });
  });

  it('with everybody removed there is no candidate, and each has its reason', () => {
    const { candidates, leftOut } = route({ statuses: [] });
    expect(candidates).toEqual([]);
    expect(leftOut.map(({ provider }) => provider)).toEqual(['pve-vm', 'morph']);
  });
});

describe('workers that were not heard of lately', () => {
  const statuses = [status('pve-vm', { publishedAtMs: 0 }), status('morph', { publishedAtMs: 60_000 })];

  it('keep their place exactly at the bound', () => {
    expect(route({ statuses, nowMs: 60_000 })).toEqual({ candidates: ['pve-vm', 'morph'], leftOut: [] });
  });

  it('move their provider last just after it, with the reason', () => {
    expect(route({ statuses, nowMs: 60_001 })).toMatchObject({
      candidates: ['morph', 'pve-vm'],
      leftOut: [{ provider: 'pve-vm', reason: 'its workers were last heard of 60 s ago: tried last' }],
    });
  });
});

describe('an open breaker', () => {
  const open = (provider: ProviderName) => status(provider, { breaker: 'open' });
  const reason = 'its breaker is open: tried last';

  it.each<[string, Case, readonly ProviderName[], readonly ProviderName[]]>([
    [
      'moves a candidate behind a closed one',
      { statuses: [open('pve-vm'), status('morph')] },
      ['morph', 'pve-vm'],
      ['pve-vm'],
    ],
    [
      'leaves the order where all are open',
      { statuses: [open('pve-vm'), open('morph')] },
      ['pve-vm', 'morph'],
      ['pve-vm', 'morph'],
    ],
    [
      'keeps the order among the closed and among the open',
      {
        request: { preferredProvider: 'pve-lxc' },
        statuses: [open('pve-vm'), open('pve-lxc'), status('morph')],
      },
      ['morph', 'pve-lxc', 'pve-vm'],
      ['pve-lxc', 'pve-vm'],
    ],
    [
      'does not remove the only one that is allowed',
      {
        request: { allowFallback: false },
        statuses: [open('pve-vm'), status('morph')],
        policy: { fallbacks: [] },
      },
      ['pve-vm'],
      ['pve-vm'],
    ],
  ])('%s', (_case, given, candidates, moved) => {
    expect(route(given)).toMatchObject({
      candidates,
      leftOut: moved.map((provider) => ({ provider, reason })),
    });
  });

  it('does not bring back a candidate that a filter removed', () => {
    const statuses = [status('pve-vm', { breaker: 'open', overCapacity: 'full' }), status('morph')];
    expect(route({ statuses })).toMatchObject({
      candidates: ['morph'],
      leftOut: [{ provider: 'pve-vm', reason: 'over capacity: full' }],
    });
  });
});

describe('the provider that was passed over', () => {
  const full = { overCapacity: 'full' };
  it.each<[string, Case, ProviderName | undefined]>([
    ['nobody, when all is well', {}, undefined],
    [
      'the first, when its breaker is open',
      { statuses: [status('pve-vm', { breaker: 'open' }), status('morph')] },
      'pve-vm',
    ],
    [
      'nobody, while a half-open one takes trials',
      { statuses: [status('pve-vm', { breaker: 'half_open' }), status('morph')] },
      undefined,
    ],
    ['the first, when it is full', { statuses: [status('pve-vm', full), status('morph')] }, 'pve-vm'],
    ['nobody, when the first could never take it', { statuses: [status('morph')] }, undefined],
    ['not a later one that is full', { statuses: [status('pve-vm'), status('morph', full)] }, undefined],
  ])('is %s', (_case, given, passedOver) => {
    expect(route(given).passedOver).toBe(passedOver);
  });
});

describe('allowFallback: false', () => {
  const reason = 'allowFallback is false and it is not the first choice';

  it.each<[string, Case, ProviderName]>([
    ['leaves the preference', { request: { preferredProvider: 'morph' } }, 'morph'],
    [
      'leaves the workload route',
      { request: { workloadType: 'prod' }, policy: { byWorkload: { prod: 'morph' } } },
      'morph',
    ],
    ['leaves the primary', {}, 'pve-vm'],
  ])('%s', (_case, given, first) => {
    const { candidates, leftOut } = route({ ...given, request: { ...given.request, allowFallback: false } });
    expect(candidates).toEqual([first]);
    expect(leftOut).toEqual([{ provider: first === 'morph' ? 'pve-vm' : 'morph', reason }]);
  });

  it('leaves the first name even where a filter removes it: then there is none', () => {
    expect(route({ request: { allowFallback: false }, statuses: [status('morph')] })).toEqual({
      candidates: [],
      leftOut: [
        { provider: 'morph', reason },
        { provider: 'pve-vm', reason: 'not enabled: no worker serves it' },
      ],
    });
  });
});

describe('any route', () => {
  const name = fc.constantFrom(...PROVIDER_NAMES);
  const statuses = fc
    .uniqueArray(name)
    .chain((names) =>
      fc.tuple(
        ...names.map((provider) =>
          fc
            .record({ breaker: fc.constantFrom('open' as const, 'closed' as const), full: fc.boolean() })
            .map(({ breaker, full }) => status(provider, { breaker, ...(full && { overCapacity: 'full' }) })),
        ),
      ),
    );
  const cases = fc.record({
    request: fc.record(
      {
        preferredProvider: name,
        workloadType: fc.constantFrom(...WORKLOAD_TYPES),
        requiresRamSnapshot: fc.boolean(),
        allowFallback: fc.boolean(),
      },
      { requiredKeys: ['requiresRamSnapshot', 'allowFallback'] },
    ),
    policy: fc.record({
      primary: name,
      fallbacks: fc.array(name, { maxLength: 4 }),
      byWorkload: fc.dictionary(fc.constantFrom(...WORKLOAD_TYPES), name),
    }),
    statuses,
  });

  it('holds each candidate once, only fit ones, open breakers last, and explains all the others it named', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const { candidates, leftOut } = route(given);
        expect(new Set(candidates).size).toBe(candidates.length);
        const of = (provider: ProviderName) =>
          given.statuses.find((candidate) => candidate.provider === provider);
        for (const provider of candidates) {
          expect(of(provider)?.overCapacity).toBeUndefined();
          if (given.request.requiresRamSnapshot) expect(of(provider)?.preservesRam).toBe(true);
        }
        const breakers = candidates.map((provider) => of(provider)?.breaker);
        expect(breakers).toEqual([...breakers].sort());
        const named = new Set([
          given.request.preferredProvider ?? given.policy.primary,
          ...given.policy.fallbacks,
        ]);
        const explained = new Set([...candidates, ...leftOut.map(({ provider }) => provider)]);
        const workloadPicksKind = !given.request.preferredProvider;
        for (const provider of named) {
          if (workloadPicksKind && provider === given.policy.primary) continue;
          expect(explained).toContain(provider);
        }
        if (!given.request.allowFallback) expect(candidates.length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 2_000 },
    );
  });
});
