import { Worker } from 'bullmq';
import { afterEach, expect, test } from 'vitest';
import { type System, startSystem } from '../../src/main/system.ts';
import { createProducer } from '../../src/producers/redis-producer.ts';
import { createSweepQueue } from '../../src/queues/sweep-queues.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { reconcileNow } from './reconcile-now.ts';

let running: TestSystem | undefined;
const systems: System[] = [];
afterEach(async () => {
  for (const system of systems.splice(0)) await system.close();
  await running?.close();
  running = undefined;
});

async function start(options?: Parameters<typeof startTestSystem>[0]): Promise<TestSystem> {
  running = await startTestSystem(options);
  return running;
}

test('a record that cannot be read keeps rescue from no other operation', async () => {
  const { system, producer } = await start();
  const { redis, keys } = system.store;
  await redis.hset(keys.operation('op-from-the-future'), { id: 'op-from-the-future', schemaVersion: 99 });
  await redis.zadd(keys.operationsDue, 1, 'op-from-the-future');
  const queue = system.queues.byProvider.get('pve-vm');
  await queue?.pause();
  const begun = producer.start({ preset: PRESET }, { timeoutMs: 20_000 });
  const job = await eventually('the job is added', async () => (await queue?.getJobs())?.[0]);
  await job.remove();
  await queue?.resume();
  expect(await begun).toMatchObject({ state: 'running' });
});

test('a condemned guest whose record cannot be read keeps the sweep from no other', async () => {
  const test = await start();
  const { redis, keys } = test.system.store;
  await redis.hset(keys.guest('pvevm-00000000'), { id: 'pvevm-00000000', schemaVersion: 99 });
  await redis.zadd(keys.guestsCondemned, 1, 'pvevm-00000000');
  const { guestId = '' } = await test.producer.start({ preset: PRESET });
  await redis.hset(keys.guest(guestId), { state: 'condemned', condemnedAtMs: 1 });
  await redis.zadd(keys.guestsCondemned, 2, guestId);
  await eventually('the other guest is removed', () => test.vms().length === 0);
});

test('a condemned guest goes although a run of the sweep died and still holds its place in the queue', async () => {
  const test = await start({ workers: false });
  const { store } = test.system;
  const queue = createSweepQueue('discard-condemned', store.redis, store.keys);
  await queue.add('discard-condemned', {});
  // Whoever took it is heard of no more, and its lock outlasts this test.
  const dead = new Worker('discard-condemned', null, {
    connection: store.redis,
    prefix: store.keys.tag,
    lockDuration: 10 * 60_000,
  });
  expect(await dead.getNextJob('dead')).toBeDefined();
  systems.push(await startSystem(test.options));
  const { guestId = '' } = await test.producer.start({ preset: PRESET });
  await store.redis.hset(store.keys.guest(guestId), { state: 'condemned', condemnedAtMs: 1 });
  await store.redis.zadd(store.keys.guestsCondemned, 1, guestId);
  await eventually('it is removed', () => test.vms().length === 0);
  expect(await queue.getActiveCount()).toBe(1);
  await dead.close(true);
  await queue.close();
});

test('a start that is superseded while it waits for a slot keeps the slot from nobody', async () => {
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const base = await start({ workers: false });
  const system = await startSystem({
    ...base.options,
    concurrency: { perWorker: 16, perProvider: 1 },
    roles: ['workers', 'sweeps'],
    onStep: async (name, when) => {
      if (name === 'boot' && when === 'before') await gate;
    },
  });
  systems.push(system);
  await system.queues.byProvider.get('pve-vm')?.setGlobalConcurrency(16);
  const producer = createProducer(system.store, system.submitter);
  const { redis, keys } = system.store;
  const first = producer.start({ preset: PRESET }, { timeoutMs: 25_000 }).catch((error: unknown) => error);
  const { holders, waiters } = keys.permits('pve-vm:slots');
  await eventually('the first holds the slot', async () => (await redis.zcard(holders)) === 1);
  const second = producer.start({ preset: PRESET }, { timeoutMs: 25_000 }).catch((error: unknown) => error);
  await eventually('the second waits for it', async () => (await redis.zcard(waiters)) === 1);
  const [waiting] = await redis.zrange(waiters, 0, 0);
  const { sandboxId = '' } = (await system.store.reading.operation(waiting ?? '')) ?? {};
  await producer.destroy(sandboxId);
  letGo();
  await first;
  await second;
  expect(await producer.start({ preset: PRESET }, { timeoutMs: 12_000 })).toMatchObject({ state: 'running' });
});

test('a pause of a paused sandbox that fails for good leaves it paused, with its memory', async () => {
  const test = await start();
  const { id } = await test.producer.start({ preset: PRESET });
  expect(await test.producer.pause(id)).toMatchObject({ state: 'paused', preservesRam: true });
  await test.simulators.pve.setDown(true);
  await expect(test.producer.pause(id, { timeoutMs: 25_000 })).rejects.toThrow();
  await test.simulators.pve.setDown(false);
  expect(await test.producer.get(id)).toMatchObject({ state: 'paused', preservesRam: true });
});

test('a resume of a running sandbox that fails for good leaves it running', async () => {
  const test = await start();
  const { id } = await test.producer.start({ preset: PRESET });
  await test.simulators.pve.setDown(true);
  await expect(test.producer.resume(id, { timeoutMs: 25_000 })).rejects.toThrow();
  await test.simulators.pve.setDown(false);
  expect(await test.producer.get(id)).toMatchObject({ state: 'running' });
});

test('a condemned guest that was stuck is removed once a person has freed it', async () => {
  const test = await start();
  const { redis, keys, reading } = test.system.store;
  const { guestId = '' } = await test.producer.start({ preset: PRESET });
  const vmid = test.vms()[0]?.vmid ?? 0;
  test.simulators.pve.operator.lock(vmid, 'suspending');
  await redis.hset(keys.guest(guestId), { state: 'condemned', condemnedAtMs: 1 });
  await redis.zadd(keys.guestsCondemned, 1, guestId);
  await eventually('it is stuck', async () => (await reading.guest(guestId))?.state === 'stuck');
  await eventually('an operator is told', async () =>
    (await test.system.store.alerts.active()).some(
      ({ name, subject, remediation }) =>
        name === 'guests.stuck' && subject === guestId && remediation?.includes(`qm unlock ${vmid}`),
    ),
  );
  test.simulators.pve.operator.unlock(vmid);
  // Ten minutes later.
  await redis.zadd(keys.guestsCondemned, 'XX', 1, guestId);
  await eventually('it is gone', async () => (await reading.guest(guestId))?.state === 'gone');
  expect(test.vms()).toEqual([]);
  await reconcileNow(test);
  expect(await test.system.store.alerts.active()).toEqual([]);
});

test('a start that fails before its intent is recorded keeps no VMID', async () => {
  const test = await start();
  test.simulators.pve.faults.add({
    method: 'GET',
    path: '/cluster/nextid$',
    action: { kind: 'error', status: 500, message: 'cluster not ready' },
    times: 1,
  });
  expect(await test.producer.start({ preset: PRESET })).toMatchObject({ provider: 'morph' });
  const { redis, keys } = test.system.store;
  const found = await redis.keys(`${keys.tag}:vmids:*:holders`);
  const held = await Promise.all(found.map((key) => redis.hlen(key)));
  expect(held.filter((count) => count > 0)).toEqual([]);
});
