import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PROVIDER_NAMES } from '../../src/core/provider-name.ts';
import type { RoutingPolicy } from '../../src/core/route.ts';
import type { StartRequest } from '../../src/core/start-request.ts';
import { ALL, type Case, route } from './route-case.ts';

describe('a rollout', () => {
  type Weights = NonNullable<RoutingPolicy['rollout']>['weights'];
  type Key = NonNullable<RoutingPolicy['rollout']>['key'];

  function pick(
    weights: Weights,
    { key = 'sandbox', ...rest }: Pick<Case, 'request' | 'sandboxId'> & { key?: Key },
  ) {
    return route({
      ...rest,
      policy: { fallbacks: [], rollout: { weights, key } },
      statuses: ALL,
    }).candidates[0];
  }

  const split = (vm: number, morph: number): Weights => [
    { provider: 'pve-vm', weight: vm },
    { provider: 'morph', weight: morph },
  ];

  it.each([
    [20, 80],
    [50, 50],
    [80, 20],
  ])('of %i to %i gives similar ids their shares', (vm, morph) => {
    const picks = Array.from({ length: 5_000 }, (_, index) =>
      pick(split(vm, morph), { sandboxId: `sb-${index}` }),
    );
    const share = (100 * picks.filter((provider) => provider === 'pve-vm').length) / picks.length;
    expect(Math.abs(share - vm)).toBeLessThan(2.5);
  });

  it('of 0 gives nobody, of everything gives everybody', () => {
    fc.assert(
      fc.property(fc.string(), (sandboxId) => {
        expect(pick(split(0, 7), { sandboxId })).toBe('morph');
        expect(pick(split(7, 0), { sandboxId })).toBe('pve-vm');
      }),
    );
  });

  it.each<[Key, Partial<StartRequest>]>([
    ['user', { userId: 'ann' }],
    ['team', { teamId: 'red' }],
  ])('keyed by %s keeps all sandboxes of one together, and spreads different ones', (key, request) => {
    const picksOf = (owner: Partial<StartRequest>) =>
      new Set(
        Array.from({ length: 50 }, (_, index) =>
          pick(split(50, 50), { key, request: owner, sandboxId: `sb-${index}` }),
        ),
      );
    expect(picksOf(request).size).toBe(1);
    const [field] = Object.keys(request);
    const owners = Array.from({ length: 50 }, (_, index) => ({ [String(field)]: `owner-${index}` }));
    expect(new Set(owners.flatMap((owner) => [...picksOf(owner)])).size).toBe(2);
  });

  it('keyed by a user or team that is not named goes by sandbox', () => {
    for (const key of ['user', 'team'] as const) {
      for (let index = 0; index < 20; index += 1) {
        const sandboxId = `sb-${index}`;
        expect(pick(split(50, 50), { key, sandboxId })).toBe(pick(split(50, 50), { sandboxId }));
      }
    }
  });

  it('never moves a key away from a provider whose weight is raised', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 3, maxLength: 3 });
    const order = fc.shuffledSubarray([...PROVIDER_NAMES], { minLength: 3 });
    fc.assert(
      fc.property(
        weights,
        order,
        fc.nat({ max: 2 }),
        fc.nat({ max: 100 }),
        fc.string(),
        (before, names, raised, by, sandboxId) => {
          const of = (values: readonly number[]): Weights =>
            names.map((provider, index) => ({ provider, weight: values[index] ?? 0 }));
          const after = before.map((weight, index) => (index === raised ? weight + by : weight));
          fc.pre(before.some((weight) => weight > 0));
          const first = pick(of(before), { sandboxId });
          const then = pick(of(after), { sandboxId });
          if (first === names[raised]) expect(then).toBe(first);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('moves keys only towards the provider whose weight is raised, where there are two', () => {
    const weight = fc.integer({ min: 1, max: 100 });
    fc.assert(
      fc.property(weight, weight, fc.nat({ max: 100 }), fc.string(), (vm, morph, by, sandboxId) => {
        const first = pick(split(vm, morph), { sandboxId });
        expect([first, 'pve-vm']).toContain(pick(split(vm + by, morph), { sandboxId }));
        expect([first, 'morph']).toContain(pick(split(vm, morph + by), { sandboxId }));
      }),
      { numRuns: 3_000 },
    );
  });
});
