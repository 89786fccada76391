import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type SentinelRedis, startSentinelRedis } from '../support/redis.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let redis: SentinelRedis | undefined;
let world: TestSystem | undefined;
afterEach(async () => {
  await world?.close();
  await redis?.stop();
});

test('after a failover by Sentinel what was accepted is there, and starts go on at the new master', {
  timeout: 90_000,
}, async () => {
  redis = await startSentinelRedis();
  world = await startTestSystem({ redisUrl: redis.url });
  const { producer } = world;
  const before = await producer.start({ preset: PRESET });
  expect(before.state).toBe('running');
  // Replication is asynchronous: what the replica has not seen is lost, and guarantees say so.
  await world.system.store.redis.wait(1, 5_000);

  await redis.failOver();
  await eventually('the sandbox is known to the new master', async () => {
    try {
      return (await producer.get(before.id)).state === 'running';
    } catch {
      // The old master was gone a moment ago.
      return false;
    }
  });
  const after = await producer.start({ preset: PRESET });
  expect(after.state).toBe('running');
  await producer.destroy(before.id);
  expect((await producer.get(before.id)).state).toBe('destroyed');
});
