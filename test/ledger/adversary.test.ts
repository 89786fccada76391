/** Money under clocks that disagree, requests that are sent again, and writers that get in each other's way. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS } from '../../src/core/day.ts';
import type { BillingChange, LedgerAccount } from '../../src/core/ledger.ts';
import { BILLING_STATES, type PriceBook } from '../../src/core/price-book.ts';
import { priceUsage } from '../../src/core/usage-cost.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { bill } from '../../src/store/billing.ts';
import { readEntries, writeSnapshot } from '../../src/store/ledger-files.ts';
import { restoreLedger } from '../../src/store/restore-ledger.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { flushLedger } from '../../src/workers/sweeps/flush-ledger.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { account, BOOK, day, usd } from './ledger-case.ts';

const NOON = (Math.floor(Date.now() / DAY_MS) - 1) * DAY_MS + DAY_MS / 2;
const MINUTE = 60_000;
const HOUR = 3_600_000;

let connections: readonly [Store['redis'], Store['redis']];
let folder: string;
beforeAll(async () => {
  const connect = () => connectRedis(sharedRedisUrl(), { role: 'worker' });
  connections = [await connect(), await connect()];
});
afterAll(() => {
  for (const connection of connections) connection.disconnect();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-money-'));
  return () => rm(folder, { recursive: true, force: true });
});

/** Two processes on one deployment. */
function twoStores(): readonly [Store, Store] {
  const deployment = randomPrefix();
  return [createStore(connections[0], deployment), createStore(connections[1], deployment)];
}

/** As the Redis client does when a connection broke before the answer: the same command once more. */
function sendingTwice(store: Store): void {
  const { run } = store.scripts;
  store.scripts.run = async (...command) => {
    await run(...command);
    return run(...command);
  };
}

async function tell(store: Store, of: LedgerAccount, change: BillingChange): Promise<void> {
  const transaction = store.begin();
  bill(transaction, store.keys, of, change);
  await transaction.commit();
}

function flush(store: Store, nowMs = NOON) {
  const deps = { store, nowMs: () => nowMs, ledgerDir: folder } as Parameters<typeof flushLedger>[0];
  return flushLedger(deps, { dryRun: false, signal: new AbortController().signal });
}

async function msByState(store: Store): Promise<Readonly<Record<string, number>>> {
  const time = { fromMs: NOON - 20 * DAY_MS, toMs: NOON, nowMs: NOON };
  const sums: Record<string, number> = {};
  for (const { state, ms } of await store.ledger.usage({ ...time, bySandbox: false })) {
    expect(ms).toBeGreaterThan(0);
    sums[state] = (sums[state] ?? 0) + ms;
  }
  return sums;
}

function total(sums: Readonly<Record<string, number>>): number {
  return Object.values(sums).reduce((sum, ms) => sum + ms, 0);
}

describe('money', () => {
  it('is never negative and never counted twice when the clocks of two workers are a minute apart', async () => {
    const step = fc.record({
      worker: fc.constantFrom(0 as const, 1 as const),
      state: fc.constantFrom(...BILLING_STATES),
      afterMs: fc.integer({ min: 0, max: 90_000 }),
      flush: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const stores = twoStores();
        sendingTwice(stores[0]);
        const of = account({ guestId: randomPrefix() });
        let trueMs = NOON - HOUR;
        const instants: number[] = [];
        let known: string | undefined;
        for (const { worker, state, afterMs, flush: flushes } of steps) {
          trueMs += afterMs;
          const atMs = trueMs + worker * MINUTE;
          if (state !== known) instants.push(atMs);
          known = state;
          await tell(stores[worker], of, { state, atMs, evidence: 'clock' });
          if (flushes) await flush(stores[1]);
        }
        await tell(stores[0], of, { state: 'ended', atMs: trueMs, evidence: 'clock' });
        const sums = await msByState(stores[1]);
        // One chain from the first instant to the latest that anybody named: no more, and no hole.
        expect(total(sums)).toBe(Math.max(...instants, trueMs) - (instants[0] ?? 0));
        await flush(stores[0]);
        expect(await msByState(stores[1])).toEqual(sums);
      }),
      { numRuns: 25 },
    );
  });

  it('follows a guest that is paused, resumed, condemned and discarded by workers that disagree', async () => {
    const [ahead, behind] = twoStores();
    const of = account();
    const at = (minutes: number) => NOON - HOUR + minutes * MINUTE;
    const change = (state: BillingChange['state'], atMs: number) =>
      ({ state, atMs, evidence: 'clock' }) as const;
    await tell(ahead, of, change('running', at(1)));
    // Seen by the worker whose clock is a minute behind: before it began.
    await tell(behind, of, change('paused', at(0)));
    await tell(ahead, of, change('running', at(11)));
    await tell(behind, of, change('condemned', at(20)));
    await tell(ahead, of, change('ended', at(26)));
    await tell(behind, of, change('ended', at(25)));
    expect(await msByState(ahead)).toEqual({
      paused: 10 * MINUTE,
      running: 9 * MINUTE,
      condemned: 6 * MINUTE,
    });
  });

  it('is split at the end of a month at which the price changes', () => {
    const before = BOOK.morph[0];
    if (before === undefined) throw new Error('the book has a price');
    const change = { ...before, fromDay: day('2026-11-01'), usdPerMcuHour: usd('0.07') };
    const book: PriceBook = { ...BOOK, morph: [before, change] };
    const fromMs = Date.UTC(2026, 9, 31, 23);
    const toMs = Date.UTC(2026, 10, 1, 2);
    const { guestId: _, ...dimensions } = account();
    const row = { ...dimensions, state: 'running' } as const;
    const rows = [
      { ...row, day: day('2026-10-31'), ms: HOUR },
      { ...row, day: day('2026-11-01'), ms: 2 * HOUR },
    ];
    const priced = priceUsage(book, rows, { groupBy: ['day'], fromMs, toMs, withNodes: true });
    // 4 MCU: an hour at $0.05, two at $0.07.
    const days = priced.lines.filter(({ kind }) => kind === 'allocated');
    expect(days.map(({ group, microUsd }) => [group.day, microUsd])).toEqual([
      ['2026-11-01', 560_000],
      ['2026-10-31', 200_000],
    ]);
    const [node] = priced.nodes;
    // A month of 31 days and one of 30: $60 / 31 / 24 and twice $60 / 30 / 24.
    expect(node?.costMicroUsd).toBe(Math.round((60e6 / 31 / 24) * 1 + (60e6 / 30 / 24) * 2));
  });

  it('counts once when every command is sent twice', async () => {
    const [store] = twoStores();
    sendingTwice(store);
    const of = account();
    await tell(store, of, { state: 'running', atMs: NOON - 3 * HOUR, evidence: 'clock' });
    await tell(store, of, { state: 'paused', atMs: NOON - 2 * HOUR, evidence: 'clock' });
    expect(await store.ledger.backlog()).toBe(1);
    await tell(store, of, { state: 'ended', atMs: NOON - HOUR, evidence: 'clock' });
    expect(await flush(store)).toEqual({ due: 2, written: 2, lines: 0, unreadable: 0 });
    expect(await msByState(store)).toEqual({ running: HOUR, paused: HOUR });
  });

  it('counts once when two processes flush the same journal at the same time', async () => {
    const stores = twoStores();
    const guests = Array.from({ length: 1_200 }, (_, index) => account({ guestId: `morph-${index}` }));
    for (const [state, hoursAgo] of [
      ['running', 3],
      ['ended', 1],
    ] as const) {
      const change = { state, atMs: NOON - hoursAgo * HOUR, evidence: 'clock' } as const;
      await Promise.all(guests.map((of) => tell(stores[0], of, change)));
    }
    const runs = await Promise.all([...stores, ...stores].map((store) => flush(store)));
    expect(runs.reduce((sum, { written }) => sum + written, 0)).toBe(guests.length);
    expect(await msByState(stores[1])).toEqual({ running: guests.length * 2 * HOUR });
    let inFiles = 0;
    for await (const { entries, repeated } of readEntries(folder)) {
      expect(repeated).toBe(0);
      inFiles += entries.length;
    }
    expect(inFiles).toBe(guests.length);
  });

  it('is not counted twice where what was open before a loss overlaps what a rebuild opened', async () => {
    const [store] = twoStores();
    const of = account();
    const fromMs = NOON - 5 * HOUR;
    const open = { account: of, state: 'running', fromMs, fromEvidence: 'provider' } as const;
    await writeSnapshot(folder, { takenAtMs: NOON - HOUR, open: [open] });
    // Told by a clock that is behind, or by the provider's own record: before the last flush.
    await tell(store, of, { state: 'paused', atMs: NOON - 3 * HOUR, evidence: 'provider' });
    await restoreLedger(store, { folder, isThere: () => true, nowMs: NOON });
    expect(await msByState(store)).toEqual({ running: 2 * HOUR, paused: 3 * HOUR });
  });
});
