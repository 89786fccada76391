/**
 * Redis is emptied, or an old dump is put in its place, and workers go on before anybody rebuilds: what was open at the
 * last flush is still there for the rebuild, and nobody's money counts twice.
 */
import { describe, expect, it, test } from 'vitest';
import type { BillingChange, LedgerAccount } from '../../src/core/ledger.ts';
import { type LedgerInRedis, mayReplaceSnapshot } from '../../src/core/ledger-origin.ts';
import { replayLedger } from '../../src/main/replay-ledger.ts';
import { bill } from '../../src/store/billing.ts';
import { readSnapshot, writeSnapshot } from '../../src/store/ledger-files.ts';
import type { Store } from '../../src/store/store.ts';
import { flushLedger } from '../../src/workers/sweeps/flush-ledger.ts';
import { useEmptiedRedis } from './emptied-redis.ts';
import { account, at } from './ledger-case.ts';

const NOW = at('2026-11-20T12:00:00Z');
const HOUR = 3_600_000;

let store: Store;
let folder: string;
useEmptiedRedis((own) => {
  ({ store, folder } = own);
});

async function tell(of: LedgerAccount, state: BillingChange['state'], hoursAgo: number): Promise<void> {
  const transaction = store.begin();
  bill(transaction, store.keys, of, { state, atMs: NOW - hoursAgo * HOUR, evidence: 'clock' });
  await transaction.commit();
}

function flush(hoursAgo: number) {
  const deps = { store, nowMs: () => NOW - hoursAgo * HOUR, ledgerDir: folder };
  return flushLedger(deps as Parameters<typeof flushLedger>[0], {
    dryRun: false,
    signal: new AbortController().signal,
  });
}

async function rebuild(guestIds: readonly string[] = [account().guestId]): Promise<string> {
  const replay = replayLedger(store, { folder, nowMs: () => NOW });
  return (await replay({ apply: true, isComplete: true, guestIds: new Set(guestIds) })).join('\n');
}

async function hoursByState(): Promise<Readonly<Record<string, number>>> {
  const sums: Record<string, number> = {};
  const time = { fromMs: NOW - 100 * HOUR, toMs: NOW, nowMs: NOW, bySandbox: false };
  for (const { state, ms } of await store.ledger.usage(time)) sums[state] = (sums[state] ?? 0) + ms / HOUR;
  return sums;
}

const alerts = async () => (await store.alerts.active()).map(({ name }) => name);

/** As reconciliation knows a guest that no record answers for: by its marker, which tells no size. */
const bare = account({ size: { vcpus: 0, memoryMib: 0, diskGib: 0 } });

test('workers that flush into an emptied Redis leave what was open for the rebuild', async () => {
  await tell(account(), 'running', 9);
  await flush(5);
  const flushed = await readSnapshot(folder);

  await store.redis.flushall();
  await flush(4);
  await tell(bare, 'unowned', 3);
  const other = account({ guestId: 'morph-new', sandboxId: 'sbx-new' });
  await tell(other, 'running', 2);
  await flush(2);
  await tell(other, 'ended', 1);
  await flush(1);
  expect(await alerts()).toEqual(['ledger.behind']);
  expect(await readSnapshot(folder)).toEqual(flushed);

  await tell(bare, 'running', 0.5);
  expect(await rebuild()).toContain('not known: what began and ended from 2026-11-20T07:00:00.000Z');
  // Nine hours ago until the last flush, and since half an hour; the other guest for an hour. Between: not known.
  expect(await hoursByState()).toEqual({ running: 4 + 0.5 + 1, unowned: 2.5 });
  const [open] = await store.ledger.openIntervals();
  expect(open?.account).toEqual(account());

  await flush(0);
  expect(await alerts()).toEqual([]);
  expect(await readSnapshot(folder)).toMatchObject({ takenAtMs: NOW, open: [{ state: 'running' }] });
  await rebuild();
  expect(await hoursByState()).toEqual({ running: 5.5, unowned: 2.5 });
});

test('what nobody answered for after a loss costs as much as it did before', async () => {
  await tell(account(), 'running', 9);
  await flush(5);
  await store.redis.flushall();
  await tell(bare, 'unowned', 3);
  await flush(3);
  await tell(bare, 'ended', 1);
  await flush(1);
  const query = { fromMs: NOW - 3 * HOUR, toMs: NOW, nowMs: NOW, groupBy: ['state'], limit: 10 } as const;
  // Two hours of 4 MCU at $0.05.
  expect((await store.costs.read(query)).totalMicroUsd).toBe(400_000);
});

test('an old dump does not replace what was open at a later flush, and no instant counts twice', async () => {
  await tell(account(), 'running', 9);
  await flush(8);
  const dump = await dumpAll();
  await flush(7);
  await tell(account(), 'paused', 6);
  await flush(5);
  await tell(account({ guestId: 'morph-later' }), 'running', 4);
  await flush(3);

  await store.redis.flushall();
  for (const { key, value } of dump) await store.redis.restore(key, 0, value);
  // The dump says that it runs, and the sweep finds out when it is not so.
  await tell(account(), 'paused', 2);
  await flush(1);
  expect(await alerts()).toEqual(['ledger.behind']);
  expect((await readSnapshot(folder))?.open).toHaveLength(2);
  await rebuild([account().guestId, 'morph-later']);
  const hours = await hoursByState();
  // Of the first nine hours, of the other four.
  expect(Object.values(hours).reduce((sum, each) => sum + each, 0)).toBe(9 + 4);
});

test('a rebuild that died in the middle is done again, and changes nothing by that', async () => {
  await tell(account(), 'running', 9);
  await tell(account({ guestId: 'morph-gone' }), 'running', 8);
  await flush(5);
  await store.redis.flushall();
  const old = await readSnapshot(folder);
  await rebuild();
  const hours = await hoursByState();
  expect(hours).toEqual({ running: 9 + 3 });
  // As if it had died before its last write.
  if (old) await writeSnapshot(folder, old);
  await store.redis.hset(store.keys.ledger.origin, 'id', 'another');
  await rebuild();
  expect(await hoursByState()).toEqual(hours);
});

test('what the last release noted as open is replaced by the Redis that it noted it from', async () => {
  await tell(account(), 'running', 9);
  await tell(account(), 'paused', 8);
  await flush(7);
  const written = await readSnapshot(folder);
  if (!written) throw new Error('a flush notes what is open');
  const { origin: _, ...ofLastRelease } = written;
  await writeSnapshot(folder, ofLastRelease);
  await store.redis.del(store.keys.ledger.origin);
  await flush(6);
  expect(await alerts()).toEqual([]);
  expect(await readSnapshot(folder)).toMatchObject({ takenAtMs: NOW - 6 * HOUR, origin: { flush: 1 } });
});

describe('what was open at the last flush may be replaced', () => {
  const redis: LedgerInRedis = { id: 'a', flushes: 7, hasTables: true, isRefused: false };
  const of = (id: string, flush: number) => ({ origin: { id, flush } });
  it.each([
    ['there is none', undefined, redis, true],
    ['it is of this ledger', of('a', 7), redis, true],
    ['a flush died before it wrote', of('a', 5), redis, true],
    ['Redis lost its last second, and one flush with it', of('a', 8), redis, true],
    ['Redis lacks two flushes: an old dump', of('a', 9), redis, false],
    ['it is of another ledger', of('b', 1), redis, false],
    ['Redis was emptied', of('a', 7), { ...redis, id: undefined, flushes: 0, hasTables: false }, false],
    ['it was refused before, and nobody rebuilt', undefined, { ...redis, isRefused: true }, false],
    ['the last release wrote it, and this Redis has a ledger', {}, { ...redis, id: undefined }, true],
    ['the last release wrote it beside this one', {}, { ...redis, hasTables: false }, true],
    [
      'the last release wrote it, and Redis was emptied',
      {},
      { ...redis, id: undefined, hasTables: false },
      false,
    ],
  ])('%s', (_when, found, inRedis, may) => {
    expect(mayReplaceSnapshot(found, inRedis)).toBe(may);
  });
});

async function dumpAll() {
  const keys = await store.redis.keys('*');
  return await Promise.all(
    keys.map(async (key) => {
      const value = await store.redis.dumpBuffer(key);
      if (!value) throw new Error(`${key} is gone`);
      return { key, value };
    }),
  );
}
