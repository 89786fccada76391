/** What a provider counts anyway reaches the decision whether a sandbox is idle; nothing else is asked for it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { reconcileNow } from './reconcile-now.ts';

let clockMs = 0;
let world: TestSystem;
beforeEach(async () => {
  clockMs = Date.now();
  world = await startTestSystem({ nowMs: () => clockMs });
});
afterEach(() => world.close());

const countersOf = async (id: string) => {
  const [activity] = await world.system.store.activity.read([id], clockMs);
  return { counters: activity?.counters, sequence: activity?.sequence };
};

test.each(['pve-vm', 'pve-lxc'] as const)(
  'processor and network of a guest on %s are observed by reconciliation, and are no activity by themselves',
  async (provider) => {
    const { id } = await world.producer.start({
      preset: PRESET,
      preferredProvider: provider,
      allowFallback: false,
    });
    const { sequence } = await countersOf(id);
    await reconcileNow(world);
    clockMs += 60_000;
    await reconcileNow(world);
    const { counters, sequence: after } = await countersOf(id);
    expect(counters).toMatchObject({
      latest: { atMs: clockMs, cpuShare: expect.any(Number), networkBytes: expect.any(Number) },
      before: { atMs: clockMs - 60_000 },
    });
    expect(after).toBe(sequence);
  },
);

test('Morph gives none, a paused guest has none, and nothing is woken to ask', async () => {
  const morph = await world.producer.start({
    preset: PRESET,
    preferredProvider: 'morph',
    allowFallback: false,
  });
  const paused = await world.producer.start({ preset: PRESET });
  await world.producer.pause(paused.id);
  await reconcileNow(world);
  expect((await countersOf(morph.id)).counters).toBeUndefined();
  expect((await countersOf(paused.id)).counters).toBeUndefined();
  expect(world.vms().map(({ status }) => status)).toEqual(['stopped']);
});
