import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Operation } from '../../src/core/operation.ts';
import type { Permits } from '../../src/core/ports.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import type { Claim } from '../../src/store/claims.ts';
import { createPermits } from '../../src/store/permits.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { submitStart } from './submitted-start.ts';

let store: Store;
let permits: Permits;
let woken: string[];
beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  store = createStore(redis, randomPrefix());
});
afterAll(() => store.redis.disconnect());
beforeEach(() => {
  woken = [];
  permits = createPermits(store, async (operationId) => woken.push(operationId) > 0);
});

let unique = 0;
function want(limit = 1) {
  unique += 1;
  return { name: `template:${unique}`, limit };
}

test('a permit is granted up to its limit, and again to who holds it', async () => {
  const template = want(2);
  for (const holder of ['a', 'b', 'a']) {
    expect(await permits.take(holder, [template])).toEqual({ granted: true, name: template.name });
  }
  expect(await permits.take('c', [template])).toMatchObject({ granted: false, place: 1 });
});

test('a permit that is given back goes straight to who waited longest, and nobody overtakes', async () => {
  const template = want();
  await permits.take('a', [template]);
  expect(await permits.take('b', [template])).toMatchObject({ granted: false, place: 1 });
  expect(await permits.take('c', [template])).toMatchObject({ granted: false, place: 2 });
  await permits.release('a', template.name);
  expect(woken).toEqual(['b']);
  expect(await permits.take('d', [template])).toMatchObject({ granted: false });
  expect(await permits.take('b', [template])).toMatchObject({ granted: true });
  await permits.release('b', template.name);
  expect(woken).toEqual(['b', 'c']);
});

test('one of several alternatives is enough, and what was handed over besides goes on to the next', async () => {
  const [one, two] = [want(), want()];
  await permits.take('a', [one, two]);
  await permits.take('b', [one, two]);
  await permits.take('c', [one, two]);
  await permits.take('d', [one, two]);
  await permits.release('a', one.name);
  await permits.release('b', two.name);
  // Both came to c, who was first in both lines; it keeps one, and d gets the other.
  expect(await permits.take('c', [one, two])).toEqual({ granted: true, name: one.name });
  expect(await permits.take('d', [one, two])).toEqual({ granted: true, name: two.name });
});

test('who waits is told who has held longest, and what for', async () => {
  const template = want();
  await permits.take('a', [template]);
  await permits.note('a', template.name, 'UPID:pve1:…');
  const answer = await permits.take('b', [template]);
  expect(answer).toMatchObject({
    granted: false,
    oldest: { name: template.name, holder: 'a', note: 'UPID:pve1:…' },
  });
});

test('releasing what one does not hold changes nothing', async () => {
  const template = want();
  await permits.take('a', [template]);
  await permits.take('b', [template]);
  await permits.release('b', template.name);
  expect(woken).toEqual([]);
  expect(await permits.take('c', [template])).toMatchObject({ granted: false });
});

test('a turn is over once its start has settled and sent nothing there, and never while that is not known', async () => {
  expect(await permits.isOver('op-unknown', 'morph')).toBe(false);
  const operation = await submitStart(store);
  expect(await permits.isOver(operation.id, 'morph')).toBe(false);
  // It goes on elsewhere, and nothing was recorded here.
  expect(await permits.isOver(operation.id, 'pve-lxc')).toBe(true);
  await settle(await claim(operation));
  expect(await permits.isOver(operation.id, 'morph')).toBe(true);
});

test('whoever succeeded is done, and nobody before', async () => {
  expect(await permits.isDone('op-unknown')).toBe(false);
  const operation = await submitStart(store);
  expect(await permits.isDone(operation.id)).toBe(false);
  const claimed = await claim(operation);
  expect(await permits.isDone(operation.id)).toBe(false);
  await settle(claimed, 'succeeded');
  expect(await permits.isDone(operation.id)).toBe(true);
});

test('a turn whose create was let go is not over when its start has settled, until its permit to send is given back', async () => {
  const operation = await submitStart(store);
  const claimed = await claim(operation);
  const marker = {
    deployment: 'd',
    install: 'i',
    sandbox: 's',
    guest: 'morph-1',
    operation: 'o',
    attempt: 1,
  };
  const intent = {
    provider: 'morph',
    guestId: 'morph-1',
    failureDomain: 'm',
    source: 's',
    marker,
    metadata: {},
  } as const;
  const guest = await store.attempts.recordIntent(claimed, intent, 10);
  await settle({ ...claimed, guest });
  expect(await permits.isOver(operation.id, 'morph')).toBe(false);
  await store.redis.hdel(store.keys.guest(guest.id), 'sentAtMs');
  expect(await permits.isOver(operation.id, 'morph')).toBe(true);
  await store.redis.del(store.keys.guest(guest.id));
  expect(await permits.isOver(operation.id, 'morph')).toBe(false);
});

async function claim(operation: Operation): Promise<Claim> {
  const claimed = await store.claims.claim(operation, 1, 'a');
  if (claimed.status !== 'claimed') throw new Error(claimed.status);
  return claimed.claim;
}

async function settle(claimed: Claim, state: 'failed' | 'succeeded' = 'failed'): Promise<void> {
  await store.attempts.settle(claimed, { operation: { state }, guestFate: 'gone' }, 20);
}
