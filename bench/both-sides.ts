/** The whole control plane with a driver of zero latency, and one bare BullMQ job, on one Redis in one process. */
import { pino } from 'pino';
import { type System, startSystem } from '../src/main/system.ts';
import { loadConfig } from '../src/platform/config.ts';
import { createRedisProducer, type RedisProducer } from '../src/producers/redis-producer.ts';
import { slotsWithReserve } from '../src/workers/slot-share.ts';
import { type BareQueue, startBareQueue } from './bare-queue.ts';
import { createInstantProvider } from './instant-provider.ts';
import { type OwnRedis, startOwnRedis } from './own-redis.ts';

/** Callers at once, at most. */
export const CALLERS = 32;
/** As many attempts at once as there are callers, so that none waits for a slot. */
const CONCURRENCY = { perWorker: CALLERS, perProvider: CALLERS };

export interface Both {
  readonly redis: OwnRedis;
  readonly producer: RedisProducer;
  readonly bare: BareQueue;
}

export async function withBoth<T>(measure: (both: Both) => Promise<T>): Promise<T> {
  const config = loadConfig({});
  const redis = await startOwnRedis();
  const closers: (() => Promise<void>)[] = [redis.stop];
  try {
    const system: System = await startSystem({
      ...config,
      concurrency: CONCURRENCY,
      redis: { url: redis.url, durability: 'aof' },
      backends: {},
      drivers: [createInstantProvider()],
      log: pino({ level: 'error' }, pino.destination(2)),
    });
    closers.push(system.close);
    const producer = await createRedisProducer({ redisUrl: redis.url, deployment: config.deployment });
    closers.push(() => producer.close());
    const bare = await startBareQueue(redis.url, slotsWithReserve(CALLERS));
    closers.push(bare.close);
    return await measure({ redis, producer, bare });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
