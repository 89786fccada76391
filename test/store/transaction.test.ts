import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectRedis } from '../../src/platform/redis.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl, startTestRedis } from '../support/redis.ts';

let store: Store;
beforeAll(async () => {
  store = createStore(await connectRedis(sharedRedisUrl(), { role: 'worker' }), randomPrefix());
});
afterAll(() => store.redis.disconnect());

const key = () => store.keys.sandbox(randomUUID());

test('all commands are carried out when every guard holds, and none when one does not', async () => {
  const record = key();
  await store.begin().guardAbsent(record).setFields(record, { state: 'a', version: 1 }).commit();
  const refused = await store
    .begin()
    .guardField(record, 'version', 1)
    .guardField(record, 'state', 'b')
    .setFields(record, { state: 'c' })
    .commit();
  expect(refused).toEqual({ ok: false, guard: 1, actual: 'a' });
  expect(await store.redis.hgetall(record)).toEqual({ state: 'a', version: '1' });
});

test('a missing field equals the empty text, and an empty list has the empty text at its head', async () => {
  const record = key();
  const list = store.keys.pending(record);
  const result = await store
    .begin()
    .guardField(record, 'holder', '')
    .guardFirst(list, '')
    .command('RPUSH', list, 'one')
    .commit();
  expect(result).toEqual({ ok: true, replies: [1] });
  expect(await store.begin().guardFirst(list, 'two').commit()).toEqual({
    ok: false,
    guard: 0,
    actual: 'one',
  });
});

test('a transaction that is sent twice is carried out once and answers the same', async () => {
  const list = key();
  const transaction = store.begin().command('RPUSH', list, 'x').command('LLEN', list);
  const first = await transaction.commit();
  expect(await transaction.commit()).toEqual(first);
  expect(await store.redis.lrange(list, 0, -1)).toEqual(['x']);
});

test('null removes a field and undefined leaves it alone', async () => {
  const record = key();
  await store.begin().setFields(record, { a: 1, b: 2, c: 3 }).commit();
  await store.begin().setFields(record, { a: null, b: undefined, c: 4 }).commit();
  expect(await store.redis.hgetall(record)).toEqual({ b: '2', c: '4' });
});

test('scripts that Redis forgot are sent again', async () => {
  const own = await startTestRedis();
  try {
    const other = createStore(await connectRedis(own.url, { role: 'worker' }), 'flushed');
    const record = other.keys.sandbox('x');
    await other.begin().setFields(record, { a: 1 }).commit();
    await other.redis.script('FLUSH');
    expect(await other.begin().setFields(record, { a: 2 }).commit()).toMatchObject({ ok: true });
    other.redis.disconnect();
  } finally {
    await own.stop();
  }
});
