import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Room } from '../../src/core/budget-room.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { releaseReservation, reserve } from '../../src/store/reservations.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';

let redis: Store['redis'];
beforeAll(async () => {
  redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
});
afterAll(() => redis.disconnect());

const MONTH = '2026-11';
const LIMIT = 100;

function roomOf(microUsd: number, held = 0): Room {
  return {
    reservation: { budgets: ['all'], microUsd },
    month: MONTH,
    limits: [{ name: 'all', limitMicroUsd: LIMIT, addsMicroUsd: microUsd - held }],
  };
}

async function take(store: Store, id: string, room: Room, heldMicroUsd?: number): Promise<boolean> {
  const held = heldMicroUsd === undefined ? {} : { reserved: { budgets: ['all'], microUsd: heldMicroUsd } };
  const transaction = store.begin().guardRoom(store.keys.budgets.use, room);
  reserve(transaction, store.keys, { id, ...held }, room, 1);
  return (await transaction.commit()).ok;
}

async function giveBack(store: Store, id: string, microUsd: number): Promise<void> {
  const transaction = store.begin();
  releaseReservation(transaction, store.keys, { id, reserved: { budgets: ['all'], microUsd } });
  await transaction.commit();
}

const reservedIn = async (store: Store) =>
  Number((await redis.hget(store.keys.budgets.use, 'all|reserved')) ?? 0);

test('of two starts that saw the same last slice one gets it, and the other is told which budget is full', async () => {
  const store = createStore(redis, randomPrefix());
  await take(store, 'op-0', roomOf(LIMIT - 1));
  const both = await Promise.all(['op-1', 'op-2'].map((id) => take(store, id, roomOf(1))));
  expect(both.filter((got) => got)).toHaveLength(1);
  const late = await store.begin().guardRoom(store.keys.budgets.use, roomOf(1)).commit();
  expect(late).toMatchObject({ ok: false, actual: 'all' });
});

test('whatever starts, falls back and fails, in whatever order, reserved is what they hold and within the limit', async () => {
  const step = fc.record({
    start: fc.integer({ min: 0, max: 4 }),
    // Nothing: it fails. Else it starts, or falls back to where it costs this.
    microUsd: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const store = createStore(redis, randomPrefix());
      const held = new Map<string, number>();
      for (const { start, microUsd } of steps) {
        const id = `op-${start}`;
        const before = held.get(id);
        if (microUsd === undefined) {
          if (before !== undefined) await giveBack(store, id, before);
          held.delete(id);
        } else if (await take(store, id, roomOf(microUsd, before), before)) {
          held.set(id, microUsd);
        }
        const total = [...held.values()].reduce((sum, each) => sum + each, 0);
        expect(await reservedIn(store)).toBe(total);
        expect(total).toBeLessThanOrEqual(LIMIT);
      }
    }),
    { numRuns: 40 },
  );
});

test('a tally drops what no operation stands for, leaves alone what changed meanwhile, and sums up anew', async () => {
  const store = createStore(redis, randomPrefix());
  await take(store, 'op-lost', roomOf(10));
  await take(store, 'op-moved', roomOf(20));
  // As if a bug had counted wrong.
  await redis.hincrby(store.keys.budgets.use, 'all|reserved', 7);
  const read = await store.budgets.reservations();
  expect(read.map(({ state }) => state)).toEqual(['over', 'over']);
  await take(store, 'op-moved', roomOf(30, 20), 20);
  await store.budgets.tally({
    month: MONTH,
    atMs: 5,
    budgets: [
      {
        name: 'all',
        spentMicroUsd: 40,
        forecast: { expectedMicroUsd: 80, lowerMicroUsd: 60, upperMicroUsd: 90 },
      },
    ],
    reservations: read.map(({ operationId, encoded }) => ({ operationId, was: encoded, becomes: undefined })),
  });
  const budget = {
    name: 'all',
    scope: { of: 'deployment' },
    monthlyMicroUsd: LIMIT,
    atLimit: 'alert',
  } as const;
  expect(await store.budgets.read([budget], MONTH)).toEqual({
    month: MONTH,
    talliedAtMs: 5,
    budgets: [
      {
        name: 'all',
        scope: { of: 'deployment' },
        atLimit: 'alert',
        limitMicroUsd: LIMIT,
        spentMicroUsd: 40,
        reservedMicroUsd: 30,
        forecast: { expectedMicroUsd: 80, lowerMicroUsd: 60, upperMicroUsd: 90 },
      },
    ],
  });
  expect((await store.budgets.read([budget], '2026-12')).budgets).toMatchObject([
    { spentMicroUsd: 0, reservedMicroUsd: 30 },
  ]);
});
