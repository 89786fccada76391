/** What a piece of work cost: time, calls to Redis, processor time here and in Redis, heap. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Redis } from 'ioredis';

export interface Costs {
  readonly elapsedMs: number;
  /** Commands that this process sent, on all connections; what scripts call inside Redis is not counted. */
  readonly redisCalls: number;
  /** Of this process: callers, workers and sweeps together. */
  readonly cpuMs: number;
  readonly redisCpuMs: number;
}

export async function measureCosts(redisUrl: string, work: () => Promise<void>): Promise<Costs> {
  const redis = new Redis(redisUrl);
  try {
    const redisBeforeMs = await redisCpuMs(redis);
    const calls = countCalls();
    const before = process.cpuUsage();
    const fromMs = performance.now();
    await work();
    const elapsedMs = performance.now() - fromMs;
    const { user, system } = process.cpuUsage(before);
    const redisCalls = calls.stop();
    const redisMs = (await redisCpuMs(redis)) - redisBeforeMs;
    return { elapsedMs, redisCalls, cpuMs: (user + system) / 1_000, redisCpuMs: redisMs };
  } finally {
    redis.disconnect();
  }
}

/** Every command passes here, whoever sends it and whether alone or in a pipeline. */
function countCalls(): { stop(): number } {
  const original = Redis.prototype.sendCommand;
  let calls = 0;
  Redis.prototype.sendCommand = function countedSendCommand(...args) {
    calls += 1;
    return original.apply(this, args);
  };
  return {
    stop() {
      Redis.prototype.sendCommand = original;
      return calls;
    },
  };
}

async function redisCpuMs(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const seconds = (name: string) =>
    Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1] ?? Number.NaN);
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1_000;
}

/** Finalisers and closed sockets let go of memory only after a turn of the event loop: a few collections. */
const COLLECTIONS = 5;

export async function heapAfterCollection(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let done = 0; done < COLLECTIONS; done += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}
