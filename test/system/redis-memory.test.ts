/** A Redis of the test's own that fills up: what is refused, what still works, and that it recovers. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isLifecycleError } from '../../src/producers/redis-producer.ts';
import { watchDeployment } from '../../src/workers/sweeps/watch-deployment.ts';
import { eventually } from '../support/eventually.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let redis: TestRedis;
let world: TestSystem;
beforeEach(async () => {
  redis = await startTestRedis();
  world = await startTestSystem({ redisUrl: redis.url });
});
afterEach(async () => {
  await world.system.store.redis.config('SET', 'maxmemory', '0');
  await world.close();
  await redis.stop();
});

/** Sets the bound so that this share of it is used. */
async function fillTo(share: number): Promise<void> {
  const client = world.system.store.redis;
  const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
  await client.config('SET', 'maxmemory', Math.floor(used / share));
}

const lift = () => world.system.store.redis.config('SET', 'maxmemory', '0');
const watch = () => watchDeployment({ store: world.system.store, nowMs: Date.now }, { dryRun: false });
const alertNames = async () => (await world.system.store.alerts.active()).map(({ name }) => name);
const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => 'done',
    (error: unknown) => (isLifecycleError(error) ? error.code : String(error)),
  );

test('at 80 % starts are refused with an alert, while pause, resume and destroy still work', async () => {
  const { producer } = world;
  const { id } = await producer.start({ preset: PRESET });
  await fillTo(0.85);
  await eventually(
    'starts are refused',
    async () => (await codeOf(producer.start({ preset: PRESET }))) === 'store_full',
  );
  await watch();
  expect(await alertNames()).toContain('redis.memory');
  expect(await producer.pause(id)).toMatchObject({ state: 'paused' });
  expect(await producer.resume(id)).toMatchObject({ state: 'running' });
  expect(await producer.destroy(id)).toMatchObject({ state: 'destroyed' });

  await lift();
  await eventually(
    'starts are taken in again',
    async () => (await codeOf(producer.start({ preset: PRESET }))) === 'done',
  );
  await watch();
  expect(await alertNames()).not.toContain('redis.memory');
});

test('when it is full every change is refused clearly, and what was under way is carried on once there is room', async () => {
  const { producer } = world;
  const { id } = await producer.start({ preset: PRESET });
  const underWay = producer.start({ preset: PRESET });
  underWay.catch(() => undefined);
  await eventually('its guest is being made', () => world.vms().length === 2);
  await fillTo(1.5);
  expect(await codeOf(producer.pause(id))).toBe('store_full');
  expect(await producer.get(id)).toMatchObject({ state: 'running' });

  await lift();
  expect(await underWay).toMatchObject({ state: 'running' });
  expect(await producer.pause(id)).toMatchObject({ state: 'paused' });
  await eventually(
    'no guest is left that nobody asked for',
    () => world.vms().length + world.instances().length === 2,
  );
});

test('a policy that evicts, set by hand while it runs, raises an alert until it is taken back', async () => {
  const client = world.system.store.redis;
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await watch();
  expect(await alertNames()).toContain('redis.policy');
  await client.config('SET', 'maxmemory-policy', 'noeviction');
  await watch();
  expect(await alertNames()).not.toContain('redis.policy');
});

test('SCRIPT FLUSH goes unnoticed', async () => {
  const { producer } = world;
  const { id } = await producer.start({ preset: PRESET });
  await world.system.store.redis.script('FLUSH');
  expect(await producer.pause(id)).toMatchObject({ state: 'paused' });
  await world.system.store.redis.script('FLUSH');
  const second = await producer.start({ preset: PRESET });
  expect(second).toMatchObject({ state: 'running' });
  // Each by its first attempt: nothing had to be rescued.
  const { operations } = await producer.operations();
  const since = operations.filter(({ sandboxId }) => sandboxId === id || sandboxId === second.id);
  expect(since.map(({ kind, attempts }) => [kind, attempts.length]).sort()).toEqual([
    ['pause', 1],
    ['start', 1],
    ['start', 1],
  ]);
});
