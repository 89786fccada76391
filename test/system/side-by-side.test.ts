/**
 * Two releases run side by side during an upgrade: what the newer one wrote is left to its own workers, or can be read
 * by the older one.
 */
import { afterEach, expect, test } from 'vitest';
import { SCHEMA_VERSION } from '../../src/store/records.ts';
import { eventually } from '../support/eventually.ts';
import { sandboxOfLastRelease } from '../support/last-release.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let running: TestSystem | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

const NEWER = SCHEMA_VERSION + 1;

/** A running sandbox, and a pause of it whose job waits while the queue is held. */
async function withWaitingPause() {
  running = await startTestSystem();
  const { producer, system } = running;
  const { store, queues, submitter } = system;
  const { id } = await producer.start({ preset: PRESET });
  const queue = queues.byProvider.get('pve-vm');
  await queue?.pause();
  const operation = await submitter.change('pause', id, { requiresRamSnapshot: true });
  const keys = { sandbox: store.keys.sandbox(id), operation: store.keys.operation(operation.id) };
  return { test: running, queue, store, id, operation, keys };
}

for (const what of ['operation', 'sandbox'] as const) {
  test(`an attempt whose ${what} a newer release wrote is put back untouched, and carried out once it can be read`, async () => {
    const { test, queue, store, id, operation, keys } = await withWaitingPause();
    await store.redis.hset(keys[what], { schemaVersion: NEWER });
    const before = await store.redis.hgetall(keys.sandbox);
    await queue?.resume();
    const job = await eventually('its job is put back', async () => (await queue?.getDelayed())?.[0]);
    expect(job.data.operationId).toBe(operation.id);
    expect(await store.redis.hgetall(keys.sandbox)).toEqual(before);
    expect(await store.redis.hget(keys.operation, 'state')).toBe('queued');

    await store.redis.hset(keys[what], { schemaVersion: SCHEMA_VERSION });
    await job.promote();
    await eventually('it is paused', async () => (await test.producer.get(id)).state === 'paused');
    expect((await store.reading.operation(operation.id))?.attempts).toMatchObject([{ outcome: 'succeeded' }]);
  });
}

test('a job that a newer release wrote is put back untouched', async () => {
  const { queue, store, operation, keys } = await withWaitingPause();
  const [job] = (await queue?.getPrioritized()) ?? [];
  if (job === undefined) throw new Error('the job is not there');
  await job.updateData({ ...job.data, schemaVersion: NEWER });
  await queue?.resume();
  const back = await eventually('it is put back', async () => (await queue?.getDelayed())?.[0]);
  expect(back.data).toMatchObject({ operationId: operation.id, schemaVersion: NEWER });
  expect(await store.redis.hget(keys.operation, 'state')).toBe('queued');
});

test('a claim of what a newer release wrote is refused before anything is written', async () => {
  const { store, operation, keys } = await withWaitingPause();
  const read = await store.reading.operation(operation.id);
  if (read === undefined) throw new Error('the operation is not there');
  await store.redis.hset(keys.sandbox, { schemaVersion: NEWER });
  const before = await store.redis.hgetall(keys.sandbox);
  expect(await store.claims.claim(read, 1, 'an older worker')).toEqual({ status: 'newer' });
  expect(await store.redis.hgetall(keys.sandbox)).toEqual(before);
});

test('a resume that leaves the clock to be set writes what the last release reads', async () => {
  running = await startTestSystem();
  const { producer, system } = running;
  const { redis, keys } = system.store;
  const { id } = await producer.start({ preset: PRESET, preferredProvider: 'pve-vm' });
  await producer.pause(id, { requiresRamSnapshot: true });
  expect((await producer.resume(id)).reconnect).toEqual(['connections', 'clock']);
  const record = await redis.hgetall(keys.sandbox(id));
  expect(sandboxOfLastRelease.parse(record).reconnect).toEqual(['connections']);

  // What that release does at a pause: the list goes, and what it does not know stays.
  await redis.hdel(keys.sandbox(id), 'reconnect');
  expect(await producer.get(id)).not.toHaveProperty('reconnect');
  await producer.pause(id, { requiresRamSnapshot: true });
  expect(await redis.hget(keys.sandbox(id), 'setClock')).toBeNull();
});

test('what a later release tells to do after a resume is passed over', async () => {
  running = await startTestSystem();
  const { producer, system } = running;
  const { redis, keys } = system.store;
  const { id } = await producer.start({ preset: PRESET });
  await redis.hset(keys.sandbox(id), { reconnect: JSON.stringify(['connections', 'something new']) });
  expect((await producer.get(id)).reconnect).toEqual(['connections']);
});
