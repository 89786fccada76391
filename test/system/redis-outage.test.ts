import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { FAST_RECOVERY, PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let redis: TestRedis | undefined;
let world: TestSystem | undefined;
afterEach(async () => {
  await world?.close();
  await redis?.stop();
});

test('Redis away for longer than the lease, in the middle of a start: it goes on, with one guest, settled once', {
  timeout: 90_000,
}, async () => {
  redis = await startTestRedis();
  world = await startTestSystem({ redisUrl: redis.url });
  const { system, producer, vms } = world;
  const operation = await system.submitter.start({
    preset: PRESET,
    requiresRamSnapshot: false,
    allowFallback: false,
    metadata: {},
    onExpiry: 'pause',
    protected: false,
  });
  await eventually('its guest is being made', () => vms().length > 0);
  const awayFromMs = performance.now();
  await redis.goAway();
  const awayMs = FAST_RECOVERY.lease.leaseMs + FAST_RECOVERY.lease.sendDeadlineMs;
  await eventually('the lease is over', () => performance.now() - awayFromMs > awayMs);
  await redis.comeBack();

  const settled = await eventually('it settled', async () => {
    try {
      const found = await producer.operation(operation.id);
      return found.state === 'succeeded' && found;
    } catch {
      // Redis came back a moment ago.
      return false;
    }
  });
  expect(settled.state).toBe('succeeded');
  expect(vms()).toHaveLength(1);
});
