import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { createSecretBox } from '../../src/platform/secret-box.ts';
import { createLifecycleService } from '../../src/producers/lifecycle-service.ts';
import type { Store } from '../../src/store/store.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let running: TestSystem | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

test('a container’s exec token is its own, sealed at rest, in no job, and given out by name', async () => {
  const secretsKey = randomBytes(32).toString('hex');
  const { producer, system } = await start({ execToken: true, secretsKey });
  const startContainer = () =>
    producer.start({ preset: PRESET, preferredProvider: 'pve-lxc', allowFallback: false });
  const [one, two] = [await startContainer(), await startContainer()];
  const secretBox = createSecretBox(secretsKey);
  const service = createLifecycleService({ ...system, nowMs: Date.now, secretBox });
  const caller = { name: 'operator' };
  const { execToken } = await service.secrets(one.id, caller);
  expect(execToken).toMatch(/^[0-9a-f]{64}$/);
  expect((await service.secrets(two.id, caller)).execToken).not.toBe(execToken);

  const everything = await readAll(system.store);
  expect(everything).toContain(one.id);
  expect(everything).not.toContain(execToken);
});

test('a sandbox without secrets gives out none', async () => {
  const { producer, system } = await start({});
  const { id } = await producer.start({ preset: PRESET });
  const service = createLifecycleService({ ...system, nowMs: Date.now });
  expect(await service.secrets(id, { name: 'operator' })).toEqual({});
});

async function start(options: Parameters<typeof startTestSystem>[0]): Promise<TestSystem> {
  running = await startTestSystem(options);
  return running;
}

/** Everything that the deployment has in Redis, jobs included. */
async function readAll({ redis, keys }: Store): Promise<string> {
  const values = (await redis.keys(`${keys.tag}:*`)).map(async (name) => {
    const type = await redis.type(name);
    if (type === 'string') return redis.get(name);
    if (type === 'hash') return redis.hgetall(name);
    if (type === 'stream') return redis.xrange(name, '-', '+');
    if (type === 'list') return redis.lrange(name, 0, -1);
    if (type === 'zset') return redis.zrange(name, 0, -1);
    if (type === 'set') return redis.smembers(name);
    // It ended between the two questions. Anything else has to be read here first.
    expect([name, type]).toEqual([name, 'none']);
    return undefined;
  });
  return JSON.stringify(await Promise.all(values));
}
