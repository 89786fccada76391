import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CapacityBook } from '../../src/core/ports.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { createCapacityBook } from '../../src/store/capacity-book.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';

let store: Store;
let book: CapacityBook;
beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  store = createStore(redis, randomPrefix());
  book = createCapacityBook(store);
});
afterAll(() => store.redis.disconnect());

const guest = (guestId: string, node = 'pve1') => ({ guestId, node, vmid: 20_000, memoryMib: 100 });

test('reserves up to exactly the limit, counting what others use, and not one MiB more', async () => {
  const room = { limitMib: 300, othersMib: 100 };
  expect(await book.reserve('exact', guest('a'), room)).toBe(true);
  expect(await book.reserve('exact', { ...guest('b'), memoryMib: 101 }, room)).toBe(false);
  expect(await book.reserve('exact', guest('b'), room)).toBe(true);
  expect(await book.reserve('exact', { ...guest('c'), memoryMib: 1 }, room)).toBe(false);
});

test('of many at once, exactly as many as fit get a place', async () => {
  const room = { limitMib: 500, othersMib: 0 };
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => book.reserve('rush', guest(`g${index}`), room)),
  );
  expect(answers.filter(Boolean)).toHaveLength(5);
});

test('a guest keeps its place when it asks again, nodes are counted apart, and a release frees the place', async () => {
  const room = { limitMib: 100, othersMib: 0 };
  expect(await book.reserve('again', guest('a'), room)).toBe(true);
  expect(await book.reserve('again', guest('a'), room)).toBe(true);
  expect(await book.reserve('again', guest('b', 'pve2'), room)).toBe(true);
  expect(await book.reservations('again')).toHaveLength(2);
  await book.release('again', 'a');
  expect(await book.reserve('again', guest('c'), room)).toBe(true);
});
