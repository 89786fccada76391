/** VMIDs that a worker took and died with. */
import { afterEach, expect, test } from 'vitest';
import { createProviders } from '../../src/main/providers.ts';
import { startSystem } from '../../src/main/system.ts';
import { createProducer } from '../../src/producers/redis-producer.ts';
import { createCapacityBook } from '../../src/store/capacity-book.ts';
import { createPermits } from '../../src/store/permits.ts';
import { VMID_ORPHANED_MS } from '../../src/store/vmid-reclaim.ts';
import { readOnlyCall } from '../../src/workers/reconcile/read-only-call.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem } from '../support/system.ts';
import { sweepNow } from './reconcile-now.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A Proxmox with room for two of our guests. */
async function startNarrow() {
  const world = await startTestSystem({ workers: false });
  closers.push(world.close);
  const { pve, ...others } = world.options.backends;
  if (pve === undefined) throw new Error('the simulated Proxmox is missing');
  const backends = { ...others, pve: { ...pve, vmidRange: { first: 20_000, last: 20_001 } } };
  const options = { ...world.options, backends };
  const system = await startSystem(options);
  closers.push(system.close);
  return { options, system, failureDomain: pve.failureDomain };
}

type Narrow = Awaited<ReturnType<typeof startNarrow>>;

/** Everything that an attempt does before its intent is recorded; there the worker is killed. */
async function prepareAndDie({ options, system: { store } }: Narrow, guestId: string): Promise<void> {
  const installId = await store.deployment.installId();
  const providers = createProviders(store, options.backends, {
    ...options,
    installId,
    permits: createPermits(store, () => Promise.resolve(false)),
    capacityBook: createCapacityBook(store),
  });
  const vm = providers.all.find(({ name }) => name === 'pve-vm');
  const sources = options.presets.find(({ name }) => name === PRESET)?.sources ?? {};
  const marker = {
    ...{ deployment: options.deployment, install: installId, sandbox: 'sbx-dead', guest: guestId },
    ...{ operation: 'op-dead', attempt: 1 },
  };
  const call = readOnlyCall(AbortSignal.timeout(10_000), `op-${guestId}`);
  expect(await vm?.prepare({ guestId, sources, marker, metadata: {} }, call)).toMatchObject({ guestId });
  await providers.close();
}

/** As if both had been taken so long ago. */
async function age({ system: { store }, failureDomain }: Narrow, ms: number): Promise<void> {
  const { holders } = store.keys.vmids(failureDomain);
  for (const [vmid, value] of Object.entries(await store.redis.hgetall(holders))) {
    const [guestId, since] = value.split('|');
    await store.redis.hset(holders, vmid, `${guestId}|${Number(since) - ms}`);
  }
}

test('a worker that dies between taking a VMID and recording its intent leaks none', async () => {
  const narrow = await startNarrow();
  const { store, submitter } = narrow.system;
  for (const guestId of ['pvevm-00000001', 'pvevm-00000002']) await prepareAndDie(narrow, guestId);
  await age(narrow, VMID_ORPHANED_MS + 60_000);
  const producer = createProducer(store, submitter);
  const { id } = await producer.start({ preset: PRESET, preferredProvider: 'pve-vm', allowFallback: false });
  expect(await producer.get(id)).toMatchObject({ state: 'running', provider: 'pve-vm' });
  const { holders } = store.keys.vmids(narrow.failureDomain);
  expect(await store.redis.hlen(holders)).toBe(1);
});

test('the healer gives back what a dead worker held, without waiting for the range to run out', async () => {
  const narrow = await startNarrow();
  const { store } = narrow.system;
  await prepareAndDie(narrow, 'pvevm-00000003');
  await age(narrow, VMID_ORPHANED_MS + 60_000);
  const { holders } = store.keys.vmids(narrow.failureDomain);
  await eventually('its round has ended', async () => {
    await sweepNow(narrow, 'heal-indexes');
    return (await store.redis.hlen(holders)) === 0;
  });
  expect((await store.measures.counts())['healed|vmids']).toBe(1);
});
