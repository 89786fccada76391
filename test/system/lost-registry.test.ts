/**
 * Redis emptied, an old dump restored, two deployments at one Proxmox and one Morph account: nothing is
 * destroyed, and a rebuild brings every sandbox back under its guest. Pains 6 and 25.
 */
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import type { ProviderName } from '../../src/core/provider-name.ts';
import { createProviders } from '../../src/main/providers.ts';
import { type RebuildReport, rebuild } from '../../src/main/rebuild.ts';
import type { System } from '../../src/main/system.ts';
import { createProducer } from '../../src/producers/redis-producer.ts';
import { HEARTBEAT_OLD_MS } from '../../src/store/automation.ts';
import { createCapacityBook } from '../../src/store/capacity-book.ts';
import { createPermits } from '../../src/store/permits.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, type TestSystem } from '../support/system.ts';
import {
  clock,
  closeAll,
  type Dump,
  dumpAll,
  guestsAt,
  HOUR_MS,
  liveAnHour,
  openWorld,
  restart,
  restoreAll,
  startAnother,
} from './registry-loss.ts';

afterEach(closeAll);

/** One on each provider, and one of them paused. */
async function fill({ producer }: TestSystem): Promise<readonly string[]> {
  const start = (preferredProvider: ProviderName) =>
    producer.start({
      preset: PRESET,
      preferredProvider,
      allowFallback: false,
      teamId: 'team-1',
      protected: true,
    });
  const [vm, , , paused] = await Promise.all([
    start('pve-vm'),
    start('pve-lxc'),
    start('morph'),
    start('pve-vm'),
  ]);
  if (paused) await producer.pause(paused.id);
  expect(vm?.state).toBe('running');
  return (await producer.list()).sandboxes.map(({ id }) => id);
}

/** As if the dump were older than the longest gap between two beats. */
async function ageDump(url: string, deploymentKey: string): Promise<void> {
  const redis = new Redis(url);
  await redis.hincrby(deploymentKey, 'heartbeatMs', -HEARTBEAT_OLD_MS - 60_000);
  redis.disconnect();
}

async function rebuildNow(
  { system: { store } }: { readonly system: System },
  world: TestSystem,
  apply: boolean,
) {
  const { deployment } = world.options;
  const providers = createProviders(store, world.options.backends, {
    ...world.options,
    installId: await store.deployment.installId(),
    permits: createPermits(store, () => Promise.resolve(true)),
    capacityBook: createCapacityBook(store),
  });
  try {
    const deps = { store, providers: providers.all, deployment, nowMs: () => clock.ms };
    return await rebuild(deps, { apply, installs: [], signal: AbortSignal.timeout(30_000) });
  } finally {
    await providers.close();
  }
}

function statesIn(report: RebuildReport): readonly string[] {
  return report.plan.restore.map(({ guest, state }) => `${guest.marker.sandbox} ${state}`).toSorted();
}

test('pain 6: Redis is emptied and no operator comes: in an hour no guest is destroyed; a rebuild then restores every sandbox', async () => {
  const { world } = await openWorld();
  const ids = await fill(world);
  const before = await Promise.all(ids.map((id) => world.producer.get(id)));
  const guests = guestsAt(world);

  await world.system.store.redis.flushall();
  const after = await restart(world);
  await liveAnHour(after);
  expect(guestsAt(world)).toEqual(guests);
  expect(await after.system.store.automation.read()).toMatchObject({ mode: 'adopt_only' });
  expect((await after.system.store.alerts.active()).map(({ name }) => name)).toContain('guests.unowned');
  expect(await after.system.store.inventory.unowned(100)).toHaveLength(guests.length);

  const dry = await rebuildNow(after, world, false);
  expect(statesIn(dry)).toEqual(before.map(({ id, state }) => `${id} ${state}`).toSorted());
  expect(await after.system.store.reading.sandbox(ids[0] ?? '')).toBeUndefined();

  const report = await rebuildNow(after, world, true);
  expect([...report.restored].toSorted()).toEqual([...ids].toSorted());
  const producer = createProducer(after.system.store, after.system.submitter);
  for (const old of before) {
    expect(await producer.get(old.id)).toMatchObject({
      state: old.state,
      provider: old.provider,
      guestId: old.guestId,
      providerId: old.providerId,
      teamId: 'team-1',
      preset: PRESET,
      protected: true,
      ...(old.state === 'running' ? { endpoints: old.endpoints } : { preservesRam: true }),
    });
  }
  expect(await after.system.store.automation.read()).toMatchObject({ mode: 'normal' });
  const paused = before.find(({ state }) => state === 'paused');
  expect(await producer.resume(paused?.id ?? '')).toMatchObject({
    memoryKept: true,
    endpoints: paused?.endpoints,
  });
  for (const { id } of before) await producer.destroy(id);
  expect(guestsAt(world)).toEqual([]);
});

test('Redis is emptied under a running system: its settings come back by themselves, and starts work again', async () => {
  const { world } = await openWorld();
  await fill(world);
  const before = await world.system.store.deployment.view();
  await world.system.store.redis.flushall();
  await eventually('the settings are back', () => world.system.store.deployment.hasSettings());
  const after = await world.system.store.deployment.view();
  expect(after?.settings).toEqual(before?.settings);
  // Statuses of providers are published every 15 s.
  const started = await eventually(
    'a start is taken again',
    () => world.producer.start({ preset: PRESET, preferredProvider: 'morph' }).catch(() => undefined),
    40_000,
  );
  expect(started).toMatchObject({ state: 'running' });
});

test('Redis is emptied under a running system: it notices at its next beat, under the same installation', async () => {
  const { world } = await openWorld();
  await fill(world);
  const { store } = world.system;
  const installId = await store.deployment.installId();
  await store.redis.flushall();
  expect(await store.automation.beat(installId, clock.ms)).toBe('lost');
  expect(await store.automation.read()).toMatchObject({ mode: 'adopt_only' });
  expect(await store.automation.ownInstalls()).toEqual(new Set([installId]));
});

test('pain 25: an old dump is restored: in an hour no guest is destroyed, not even one whose start the dump calls overdue', async () => {
  let dump: Dump | undefined;
  let dumpAtBoot = false;
  const { redis, world } = await openWorld(async (step, when) => {
    if (!dumpAtBoot || step !== 'boot' || when !== 'before') return;
    dumpAtBoot = false;
    dump = await dumpAll(redis.url);
  });
  const first = await world.producer.start({ preset: PRESET });
  dumpAtBoot = true;
  const second = await world.producer.start({ preset: PRESET });
  const third = await world.producer.start({ preset: PRESET, preferredProvider: 'morph' });
  if (dump === undefined) throw new Error('the second start did not boot its guest');
  const guests = guestsAt(world);

  await world.system.close();
  await restoreAll(redis.url, dump);
  await ageDump(redis.url, world.system.store.keys.deployment);
  clock.ms += HOUR_MS;
  const after = await startAnother(world.options);
  expect(await after.store.automation.read()).toMatchObject({ mode: 'observing' });
  await liveAnHour({ system: after });
  expect(guestsAt(world)).toEqual(guests);
  expect((await after.store.reading.sandbox(first.id))?.state).toBe('running');
  expect(await after.store.automation.read()).toMatchObject({ mode: 'adopt_only' });

  const { restored } = await rebuildNow({ system: after }, world, true);
  expect(restored).toContain(third.id);
  for (const { id } of [first, second, third]) {
    expect((await after.store.reading.sandbox(id))?.state).toBe('running');
  }
});

test('two deployments on the same Proxmox and Morph account leave each other alone', async () => {
  const { world } = await openWorld();
  await fill(world);
  const other = await startAnother({ ...world.options, deployment: `${world.options.deployment}-other` });
  const guests = guestsAt(world);
  await liveAnHour({ system: other });
  await liveAnHour(world);
  expect(guestsAt(world)).toEqual(guests);
  expect(await other.store.inventory.unowned(10)).toEqual([]);
  expect(await other.store.automation.read()).toMatchObject({ mode: 'normal' });
  expect(
    (
      await rebuildNow(
        { system: other },
        { ...world, options: { ...world.options, deployment: `${world.options.deployment}-other` } },
        false,
      )
    ).plan.restore,
  ).toEqual([]);
});
