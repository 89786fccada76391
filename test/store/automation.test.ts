import { afterAll, beforeEach, expect, test } from 'vitest';
import { connectRedis } from '../../src/platform/redis.ts';
import { HEARTBEAT_OLD_MS } from '../../src/store/automation.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';

const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
afterAll(() => redis.disconnect());

let store: Store;
let installId: string;
beforeEach(async () => {
  store = createStore(redis, randomPrefix());
  installId = await store.deployment.installId();
});

/** As in a dump that was made so long ago. */
async function ageHeartbeat(ms: number): Promise<void> {
  await redis.hincrby(store.keys.deployment, 'heartbeatMs', -ms);
}

test('a new installation is normal', async () => {
  expect(await store.automation.beat(installId, 1)).toBe('kept');
  expect(await store.automation.read()).toEqual({ mode: 'normal', reason: '', destruction: 'on' });
});

test('a beat that is just young enough keeps it normal', async () => {
  await store.automation.beat(installId, 1);
  await ageHeartbeat(HEARTBEAT_OLD_MS - 60_000);
  expect((await store.automation.read()).mode).toBe('normal');
  expect(await store.automation.beat(installId, 2)).toBe('kept');
});

test('an old beat means observing, before the next beat too, until it is ended', async () => {
  await redis.zadd(store.keys.sandboxesCurrent, 5, 'sbx-1', 6, 'sbx-2');
  await store.automation.beat(installId, 1);
  await ageHeartbeat(HEARTBEAT_OLD_MS + 1_000);
  expect((await store.automation.read()).mode).toBe('observing');
  expect(await store.automation.beat(installId, 77)).toBe('old');
  expect(await store.automation.beat(installId, 78)).toBe('kept');
  expect(await store.automation.read()).toMatchObject({ mode: 'observing', distrustBeforeMs: 77 });
  expect(await store.automation.unobserved(77, 10)).toEqual(['sbx-1', 'sbx-2']);

  await store.automation.postponeObservation('sbx-1', 100);
  await store.automation.observed('sbx-2');
  expect(await store.automation.unobserved(99, 10)).toEqual([]);
  expect(await store.automation.unobservedCount()).toBe(1);

  await store.automation.endObservation();
  expect((await store.automation.read()).mode).toBe('normal');
});

test('an install record that vanished means adopt-only mode under the same id, until an operator confirms', async () => {
  await redis.del(store.keys.deployment);
  expect(await store.automation.beat(installId, 50)).toBe('lost');
  expect(await store.deployment.installId()).toBe(installId);
  expect(await store.automation.read()).toMatchObject({ mode: 'adopt_only', distrustBeforeMs: 50 });
  expect(await store.automation.enterAdoptOnly('again', 60)).toBe(false);

  await store.automation.confirm('ada', 90);
  expect(await store.automation.read()).toMatchObject({ mode: 'normal', confirmedAtMs: 90 });
});

test('the switch turns destruction off by hand or by configuration, and either has to be turned back', async () => {
  await store.automation.switchDestruction('off', 'ada', 5);
  expect(await store.automation.read()).toMatchObject({
    mode: 'off',
    reason: expect.stringMatching(/ada/) as string,
  });
  await store.automation.configureDestruction('off');
  await store.automation.switchDestruction('on', 'ada', 6);
  expect(await store.automation.read()).toMatchObject({ mode: 'off', destruction: 'off' });
  await store.automation.configureDestruction('on');
  expect((await store.automation.read()).mode).toBe('normal');
});

test('the brake lets three go in an hour, counts each once, and then lets more go', async () => {
  const take = (id: string, nowMs: number) => store.automation.takeBrake('morph', id, nowMs);
  expect([await take('a', 1), await take('b', 2), await take('c', 3)]).toEqual([true, true, true]);
  expect([await take('d', 4), await take('a', 4)]).toEqual([false, true]);
  expect(await store.automation.takeBrake('pve-vm', 'd', 4)).toBe(true);
  expect(await take('d', 60 * 60_000 + 1)).toBe(true);
});

test('the brake lets a twentieth of a larger inventory go', async () => {
  const ids = Array.from({ length: 100 }, (_, at) => ['0', `morph-${at}`]).flat();
  await redis.zadd(store.keys.guestsOf('morph'), ...ids);
  const answers = [];
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
    answers.push(await store.automation.takeBrake('morph', id, 1));
  }
  expect(answers).toEqual([true, true, true, true, true, false]);
});
