/** A registry that was lost, wholly or in part: a world with a Redis of its own to dump, restore and empty. */
import { Redis } from 'ioredis';
import { type System, type SystemOptions, startSystem } from '../../src/main/system.ts';
import type { StepObserver } from '../../src/workers/attempt-session.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { startTestSystem, type TestSystem } from '../support/system.ts';
import { sweepNow } from './reconcile-now.ts';

export const HOUR_MS = 60 * 60_000;
const STEP_MS = 5 * 60_000;
const SWEEPS = ['reconcile-provider', 'observe-sandboxes', 'discard-condemned'];

const opened: (() => Promise<void>)[] = [];

/** For `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const close of opened.splice(0).reverse()) await close();
}

/** The clock of decisions, in all systems of a test. */
export const clock = { ms: 0 };

export async function openWorld(onStep?: StepObserver): Promise<{ redis: TestRedis; world: TestSystem }> {
  clock.ms = Date.now();
  const redis = await startTestRedis();
  opened.push(redis.stop);
  const world = await startTestSystem({
    redisUrl: redis.url,
    nowMs: () => clock.ms,
    ...(onStep ? { onStep } : {}),
  });
  opened.push(world.close);
  return { redis, world };
}

export type Dump = readonly { readonly key: string; readonly value: Buffer; readonly ttlMs: number }[];

/** Every key as Redis itself writes it out. */
export async function dumpAll(url: string): Promise<Dump> {
  const redis = new Redis(url);
  const dump = [];
  for (const key of await redis.keys('*')) {
    const value = await redis.dumpBuffer(key);
    if (value) dump.push({ key, value, ttlMs: Math.max(0, await redis.pttl(key)) });
  }
  redis.disconnect();
  return dump;
}

/** In one step, as a failover is for whoever goes on. */
export async function restoreAll(url: string, dump: Dump): Promise<void> {
  const redis = new Redis(url);
  const transaction = redis.multi().flushall();
  for (const { key, value, ttlMs } of dump) transaction.restore(key, ttlMs, value);
  for (const [error] of (await transaction.exec()) ?? []) if (error) throw error;
  redis.disconnect();
}

/** The same deployment after a restart, on whatever Redis holds now. */
export async function restart(world: TestSystem): Promise<{ readonly system: System }> {
  await world.system.close();
  return { system: await startAnother(world.options) };
}

export async function startAnother(options: SystemOptions): Promise<System> {
  const system = await startSystem(options);
  opened.push(system.close);
  return system;
}

export async function liveAnHour(world: { readonly system: System }): Promise<void> {
  for (let passed = 0; passed <= HOUR_MS; passed += STEP_MS) {
    clock.ms += STEP_MS;
    for (const sweep of SWEEPS) await sweepNow(world, sweep);
  }
}

export function guestsAt(world: TestSystem): readonly string[] {
  return [
    ...world.vms().map(({ vmid }) => `vmid ${vmid}`),
    ...world.instances().map(({ id }) => id),
  ].toSorted();
}
