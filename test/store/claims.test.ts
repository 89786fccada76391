import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectRedis } from '../../src/platform/redis.ts';
import { type Claim, ClaimLostError, type ClaimResult } from '../../src/store/claims.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { eventually } from '../support/eventually.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { submitStart } from './submitted-start.ts';

/** Long enough that no test meets its end by accident. */
const LONG = { leaseMs: 60_000, sendDeadlineMs: 1_000 };
const SHORT = { leaseMs: 50, sendDeadlineMs: 50 };

let store: Store;
let hasty: Store;
beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  const prefix = randomPrefix();
  store = createStore(redis, prefix, LONG);
  hasty = createStore(redis, prefix, SHORT);
});
afterAll(() => store.redis.disconnect());

function claimOf(result: ClaimResult): Claim {
  if (result.status !== 'claimed') throw new Error(`not claimed: ${result.status}`);
  return result.claim;
}

test('a claim raises the epoch, shows the sandbox at work, and holds others off', async () => {
  const operation = await submitStart(store);
  const claim = claimOf(await store.claims.claim(operation, 1, 'a'));
  expect(claim).toMatchObject({ epoch: 1, attempt: { number: 1, provider: 'morph' } });
  expect(await store.reading.sandbox(operation.sandboxId)).toMatchObject({ state: 'starting', epoch: 1 });
  expect(await store.claims.claim(operation, 1, 'b')).toMatchObject({ status: 'held' });
});

test('a claim that is sent twice by the Redis client is the same claim', async () => {
  const operation = await submitStart(store);
  await store.claims.claim(operation, 1, 'a');
  expect(claimOf(await store.claims.claim(operation, 1, 'a')).epoch).toBe(1);
});

test('once a newer claim was made, the old one can neither renew nor write', async () => {
  const operation = await submitStart(store);
  const old = claimOf(await hasty.claims.claim(operation, 1, 'old'));
  const next = await eventually('the lease and the send deadline end', async () => {
    const result = await hasty.claims.claim(operation, 1, 'next');
    return result.status === 'claimed' ? result.claim : undefined;
  });
  expect(next.epoch).toBe(2);
  expect(await old.renew()).toBe(false);
  const key = store.keys.sandbox(operation.sandboxId);
  await expect(old.commit(old.begin().setFields(key, { cause: 'old' }))).rejects.toThrow(ClaimLostError);
  await next.commit(next.begin().setFields(key, { cause: 'next' }));
  expect((await store.reading.sandbox(operation.sandboxId))?.cause).toBe('next');
});

test('a claim waits for the lease and, on top of it, for requests that may still leave', async () => {
  const operation = await submitStart(store);
  await store.claims.claim(operation, 1, 'a');
  const held = await store.claims.claim(operation, 1, 'b');
  if (held.status !== 'held') throw new Error(held.status);
  expect(held.waitMs).toBeGreaterThan(LONG.leaseMs);
  expect(held.waitMs).toBeLessThanOrEqual(LONG.leaseMs + LONG.sendDeadlineMs);
});

test('whoever sends nothing may take a shorter lease, and is then waited for no longer', async () => {
  const operation = await submitStart(store);
  await store.claims.claim(operation, 1, 'rescue a', { leaseMs: 1_000 });
  const held = await store.claims.claim(operation, 1, 'b');
  if (held.status !== 'held') throw new Error(held.status);
  expect(held.waitMs).toBeLessThanOrEqual(1_000 + LONG.sendDeadlineMs);
});

test('only the current attempt of the first operation in line can be claimed', async () => {
  const operation = await submitStart(store);
  const claim = claimOf(await store.claims.claim(operation, 1, 'a'));
  const failure = { kind: 'unreachable', effect: 'none', message: 'away' } as const;
  await store.attempts.openNextAttempt(
    claim,
    { provider: 'morph', outcome: 'failed', failure, delayMs: 0, guestFate: 'gone' },
    3,
  );
  expect(await store.claims.claim(operation, 1, 'b')).toEqual({ status: 'stale', currentAttempt: 2 });
  expect(await store.claims.claim(operation, 2, 'b')).toMatchObject({ status: 'claimed' });
  expect(await store.claims.claim({ ...operation, id: 'op-unknown' }, 1, 'c')).toEqual({ status: 'gone' });
});

test('a settled operation settles only once', async () => {
  const operation = await submitStart(store);
  const claim = claimOf(await store.claims.claim(operation, 1, 'a'));
  const settlement = { operation: { state: 'failed' as const }, guestFate: 'gone' as const };
  await store.attempts.settle(claim, settlement, 3);
  await expect(store.attempts.settle(claim, settlement, 4)).rejects.toThrow(ClaimLostError);
  expect(await store.claims.claim(operation, 1, 'b')).toEqual({ status: 'settled' });
});

test('a claim that needs a slot takes both or neither, and joins the line while all slots are taken', async () => {
  const operation = await submitStart(store);
  const { redis, keys } = store;
  const slot = { name: `slots-of-${operation.id}`, limit: 1 };
  const { holders, waiters } = keys.permits(slot.name);
  await redis.zadd(holders, 1, 'op-in-front');
  expect(await store.claims.claim(operation, 1, 'a', { slot })).toMatchObject({
    status: 'unslotted',
    place: 1,
    oldest: { holder: 'op-in-front' },
  });
  expect(await store.reading.sandbox(operation.sandboxId)).toMatchObject({ state: 'requested', epoch: 0 });
  expect(await redis.zrange(waiters, 0, -1)).toEqual([operation.id]);

  await redis.zrem(holders, 'op-in-front');
  expect(await store.claims.claim(operation, 1, 'a', { slot })).toMatchObject({ status: 'claimed' });
  expect(await redis.zrange(holders, 0, -1)).toEqual([operation.id]);
  expect(await redis.zcard(waiters)).toBe(0);
});

test('what has no record takes no slot', async () => {
  const operation = await submitStart(store);
  const slot = { name: `slots-of-${operation.id}`, limit: 1 };
  const unknown = { ...operation, id: 'op-unknown' };
  expect(await store.claims.claim(unknown, 1, 'a', { slot })).toEqual({ status: 'gone' });
  expect(await store.redis.zcard(store.keys.permits(slot.name).holders)).toBe(0);
});
