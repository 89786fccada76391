/** What a provider shows against the registry, end to end: hands at the console, strangers, lost records. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createProviders } from '../../src/main/providers.ts';
import type { ProviderCall } from '../../src/providers/provider.ts';
import { createCapacityBook } from '../../src/store/capacity-book.ts';
import { createPermits } from '../../src/store/permits.ts';
import type { SweepDeps } from '../../src/workers/sweep.ts';
import { reconcileProviders } from '../../src/workers/sweeps/reconcile-provider.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { reconcileNow } from './reconcile-now.ts';

/** Lists are not believed about changes of the last minute. */
const LATER_MS = 2 * 60_000;

let clockMs = 0;
let world: TestSystem;
beforeEach(async () => {
  clockMs = Date.now();
  world = await startTestSystem({ nowMs: () => clockMs });
});
afterEach(() => world.close());

const sandboxOf = (id: string) => world.system.store.reading.sandbox(id);

async function configOf(vmid: number): Promise<{ readonly description: string }> {
  const { url, token } = world.simulators.pve;
  const reply = await fetch(`${url}/api2/json/nodes/pve1/qemu/${vmid}/config`, {
    headers: { authorization: `PVEAPIToken=${token}` },
  });
  return ((await reply.json()) as { data: { description: string } }).data;
}

test('a machine that was shut down by hand is paused without memory, and the history says who noticed', async () => {
  const { id, vmid } = await world.producer.start({ preset: PRESET });
  world.simulators.pve.operator.kill(vmid ?? 0);
  clockMs += LATER_MS;
  expect(await reconcileNow(world)).toMatchObject({ inspected: 1 });

  const found = await eventually('it is paused', async () => {
    const sandbox = await sandboxOf(id);
    return sandbox?.state === 'paused' ? sandbox : undefined;
  });
  expect(found).toMatchObject({ cause: 'guest_stopped', preservesRam: false });
  const { history } = await world.producer.why(id);
  expect(history.find(({ type }) => type === 'guest.reconciled')?.facts).toMatchObject({
    act: 'inspected',
    receipt: 'the provider shows it stopped, the record says running',
  });
  expect(await reconcileNow(world)).toMatchObject({ inspected: 0 });
});

test('a guest that was removed by hand is lost, after proof', async () => {
  const { id, vmid } = await world.producer.start({ preset: PRESET });
  world.simulators.pve.operator.remove(vmid ?? 0);
  clockMs += LATER_MS;
  expect(await reconcileNow(world)).toMatchObject({ suspected: 1 });
  await eventually('it is lost', async () => (await sandboxOf(id))?.state === 'lost');
});

test('when too many are missing at once, none is called lost and an alert is raised', async () => {
  const started = await Promise.all(
    Array.from({ length: 5 }, () => world.producer.start({ preset: PRESET })),
  );
  for (const { vmid } of started) world.simulators.pve.operator.remove(vmid ?? 0);
  clockMs += LATER_MS;
  expect(await reconcileNow(world)).toMatchObject({ suspected: 0, stopped: 1 });
  expect(await world.system.store.alerts.active()).toMatchObject([
    { name: 'sandboxes.lost', subject: 'pve-vm' },
  ]);
  for (const { id } of started) expect((await sandboxOf(id))?.state).toBe('running');
});

test('a guest that is destroyed after the list was read is gone, and not nobody’s', async () => {
  const { id, guestId = '' } = await world.producer.start({ preset: PRESET });
  const { store, submitter } = world.system;
  const { deployment, log, backends } = world.options;
  const { all, close } = createProviders(store, backends, {
    ...world.options,
    installId: await store.deployment.installId(),
    permits: createPermits(store, () => Promise.resolve(true)),
    capacityBook: createCapacityBook(store),
  });
  const providers = all.map((provider) => ({
    ...provider,
    async list(call: ProviderCall) {
      const listed = await provider.list(call);
      await world.producer.destroy(id);
      return listed;
    },
  }));
  const deps = { store, submitter, deployment, log, providers, nowMs: () => clockMs };
  const signal = new AbortController().signal;
  try {
    const counts = await reconcileProviders(deps as unknown as SweepDeps, { dryRun: false, signal });
    expect(counts).toMatchObject({ unowned: 0 });
    expect((await store.reading.guest(guestId))?.state).toBe('gone');
    expect(await store.alerts.active()).toEqual([]);
    expect(await store.ledger.openIntervals()).toEqual([]);
  } finally {
    await close();
  }
});

test('a guest whose record vanished is adopted by the sandbox that points to it', async () => {
  const { id, guestId = '' } = await world.producer.start({ preset: PRESET });
  const { store } = world.system;
  await store.redis.del(store.keys.guest(guestId));
  expect(await reconcileNow(world)).toMatchObject({ adopted: 1, unowned: 0 });
  expect(await store.reading.guest(guestId)).toMatchObject({ state: 'live', sandboxId: id });
  await world.producer.destroy(id);
  expect(world.vms()).toEqual([]);
});

test.each(['pve-vm', 'pve-lxc', 'morph'] as const)(
  'a guest on %s without any record is unowned: listed, told of, left alone, and forgotten when a person removed it',
  async (provider) => {
    const {
      id,
      guestId = '',
      providerId = '',
    } = await world.producer.start({
      preset: PRESET,
      preferredProvider: provider,
      allowFallback: false,
    });
    const { store } = world.system;
    await store.redis.del(store.keys.guest(guestId), store.keys.sandbox(id));
    expect(await reconcileNow(world)).toMatchObject({ adopted: 0, unowned: 1 });
    expect(await store.reading.guest(guestId)).toMatchObject({ state: 'unowned', sandboxId: id });
    expect(await store.alerts.active()).toMatchObject([{ name: 'guests.unowned', subject: provider }]);

    clockMs += LATER_MS;
    await reconcileNow(world);
    expect(world.vms().length + world.instances().length).toBe(1);

    if (provider === 'morph') world.simulators.morph.operator.remove(providerId);
    else world.simulators.pve.operator.remove(Number(providerId));
    expect(await reconcileNow(world)).toMatchObject({ forgotten: 1 });
    expect(await store.alerts.active()).toEqual([]);
  },
);

test('a guest that a person renamed is told of and never written to', async () => {
  const { guestId = '', vmid = 0 } = await world.producer.start({ preset: PRESET });
  world.simulators.pve.operator.configure(vmid, { name: 'ada' });
  clockMs += LATER_MS;
  expect(await reconcileNow(world)).toMatchObject({ drifted: 1, unowned: 0, suspected: 0 });
  expect(await world.system.store.alerts.active()).toMatchObject([
    { name: 'guests.drifted', subject: guestId },
  ]);
  world.simulators.pve.operator.configure(vmid, { name: guestId });
  await reconcileNow(world);
  expect(await world.system.store.alerts.active()).toEqual([]);
});

test('a guest whose line of the description a person changed is told of, until it is given back', async () => {
  const { id, guestId = '', vmid = 0 } = await world.producer.start({ preset: PRESET });
  const { description } = await configOf(vmid);
  world.simulators.pve.operator.configure(vmid, { description: 'mine now' });
  clockMs += LATER_MS;
  expect(await reconcileNow(world)).toMatchObject({ drifted: 1, unowned: 0, suspected: 0 });
  expect(await world.system.store.alerts.active()).toMatchObject([
    { name: 'guests.drifted', subject: guestId },
  ]);
  expect((await sandboxOf(id))?.state).toBe('running');
  expect(await configOf(vmid)).toMatchObject({ description: 'mine now' });
  world.simulators.pve.operator.configure(vmid, { description });
  await reconcileNow(world);
  expect(await world.system.store.alerts.active()).toEqual([]);
});

test('tags are for people: whoever changes them loses nothing', async () => {
  const { id, vmid = 0 } = await world.producer.start({ preset: PRESET });
  world.simulators.pve.operator.configure(vmid, { tags: 'mine' });
  clockMs += LATER_MS;
  expect(await reconcileNow(world)).toMatchObject({ unowned: 0, suspected: 0, inspected: 0 });
  expect((await sandboxOf(id))?.state).toBe('running');
});

test('one that is stuck is told of with its command, and found again once a person has freed it', async () => {
  const { id, guestId = '', vmid = 0 } = await world.producer.start({ preset: PRESET });
  world.simulators.pve.operator.lock(vmid, 'suspending');
  await expect(world.producer.destroy(id)).rejects.toMatchObject({ code: 'sandbox_stuck' });
  clockMs += LATER_MS;
  await reconcileNow(world);
  expect((await sandboxOf(id))?.state).toBe('stuck');
  expect(await world.system.store.alerts.active()).toMatchObject([
    {
      name: 'guests.stuck',
      subject: guestId,
      remediation: expect.stringContaining(`qm unlock ${vmid}`) as string,
    },
  ]);

  world.simulators.pve.operator.unlock(vmid);
  expect(await reconcileNow(world)).toMatchObject({ inspected: 1 });
  await eventually('it runs', async () => (await sandboxOf(id))?.state === 'running');
  await reconcileNow(world);
  expect(await world.system.store.alerts.active()).toEqual([]);
});

test('a dry run counts what it would do, and does nothing', async () => {
  const { id, guestId = '' } = await world.producer.start({ preset: PRESET });
  const { store } = world.system;
  await store.redis.del(store.keys.guest(guestId), store.keys.sandbox(id));
  expect(await reconcileNow(world, { dryRun: true })).toMatchObject({ unowned: 1 });
  expect(await store.reading.guest(guestId)).toBeUndefined();
  expect(await store.alerts.active()).toEqual([]);
});
