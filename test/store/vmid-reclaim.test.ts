import { afterAll, beforeEach, expect, test } from 'vitest';
import { connectRedis } from '../../src/platform/redis.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { createVmidPool } from '../../src/store/vmid-pool.ts';
import { reclaimVmids, VMID_ORPHANED_MS } from '../../src/store/vmid-reclaim.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';

const DOMAIN = 'pve:test';
const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
afterAll(() => redis.disconnect());

let store: Store;
beforeEach(() => {
  store = createStore(redis, randomPrefix());
});

/** Three ids. */
function smallPool() {
  const range = { failureDomain: DOMAIN, first: 100, last: 102 };
  return createVmidPool(store, { ...range, installId: '00000000', nowMs: Date.now });
}

const holders = () => redis.hgetall(store.keys.vmids(DOMAIN).holders);

/** As if it had been taken so long ago. */
async function age(vmid: number, guestId: string, ms: number): Promise<void> {
  const [seconds] = await redis.time();
  await redis.hset(store.keys.vmids(DOMAIN).holders, vmid, `${guestId}|${Number(seconds) * 1_000 - ms}`);
}

const recordGuest = (id: string) => redis.hset(store.keys.guest(id), { id, state: 'creating' });

test('an id that a worker died with goes back when the range has run out, and not before its time', async () => {
  const pool = smallPool();
  const [recorded, young, orphaned] = [
    await pool.reserve('with-record'),
    await pool.reserve('young'),
    await pool.reserve('orphaned'),
  ];
  await recordGuest('with-record');
  await age(recorded, 'with-record', VMID_ORPHANED_MS * 2);
  await age(young, 'young', VMID_ORPHANED_MS - 60_000);
  await expect(pool.reserve('too-early')).rejects.toThrow('no VMID left');

  await age(orphaned, 'orphaned', VMID_ORPHANED_MS + 1_000);
  expect(await pool.reserve('next')).toBe(orphaned);
  expect(await pool.reserve('young')).toBe(young);
  expect(await pool.reserve('with-record')).toBe(recorded);
  await expect(pool.reserve('one-too-many')).rejects.toThrow('no VMID left');
});

test('a value of an earlier release, without a time, counts from when it was first met', async () => {
  const { holders: key, byGuest } = store.keys.vmids(DOMAIN);
  await redis.hset(key, 100, 'old');
  await redis.hset(byGuest, 'old', 100);
  expect(await reclaimVmids(store, DOMAIN)).toBe(0);
  expect(await holders()).toEqual({ 100: expect.stringMatching(/^old\|\d+$/) as string });
  await age(100, 'old', VMID_ORPHANED_MS + 1_000);
  expect(await reclaimVmids(store, DOMAIN)).toBe(1);
  expect(await holders()).toEqual({});
  expect(await redis.hexists(byGuest, 'old')).toBe(0);
});

test('a value of an earlier release whose guest has its record stays as it is', async () => {
  await redis.hset(store.keys.vmids(DOMAIN).holders, 101, 'known');
  await recordGuest('known');
  expect(await reclaimVmids(store, DOMAIN)).toBe(0);
  expect(await holders()).toEqual({ 101: 'known' });
});
