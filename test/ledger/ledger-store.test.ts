import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS, dayText } from '../../src/core/day.ts';
import {
  type BillingChange,
  changeBilling,
  type LedgerAccount,
  type LedgerEntry,
  type OpenInterval,
} from '../../src/core/ledger.ts';
import { BILLING_STATES } from '../../src/core/price-book.ts';
import { priceUsage } from '../../src/core/usage-cost.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { bill } from '../../src/store/billing.ts';
import { appendEntries, writeSnapshot } from '../../src/store/ledger-files.ts';
import { restoreLedger } from '../../src/store/restore-ledger.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { flushLedger } from '../../src/workers/sweeps/flush-ledger.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { account, BOOK, nodeAccount } from './ledger-case.ts';

/** Noon of a day that is over, so that tables and pieces of several days are within their retention. */
const TODAY = Math.floor(Date.now() / DAY_MS) - 1;
const NOON = TODAY * DAY_MS + DAY_MS / 2;
const HOUR = 3_600_000;

let connection: Store['redis'];
let store: Store;
let folder: string;

beforeAll(async () => {
  connection = await connectRedis(sharedRedisUrl(), { role: 'worker' });
});
afterAll(() => connection.disconnect());
beforeEach(async () => {
  store = createStore(connection, randomPrefix());
  folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-ledger-'));
  return () => rm(folder, { recursive: true, force: true });
});

async function tell(of: LedgerAccount, change: BillingChange): Promise<void> {
  const transaction = store.begin();
  bill(transaction, store.keys, of, change);
  await transaction.commit();
}

/** One guest that ran and was paused, and still is; another that ended. */
async function tellOfTwoGuests(): Promise<void> {
  const first = account();
  const second = nodeAccount({ teamId: 'team-b', userId: 'bob' });
  await tell(first, { state: 'running', atMs: NOON - 30 * HOUR, evidence: 'provider' });
  await tell(second, { state: 'stored', atMs: NOON - 4 * HOUR, evidence: 'provider' });
  await tell(second, { state: 'running', atMs: NOON - 3 * HOUR, evidence: 'provider' });
  await tell(first, { state: 'paused', atMs: NOON - 2 * HOUR, evidence: 'clock' });
  await tell(second, { state: 'ended', atMs: NOON - HOUR, evidence: 'clock' });
}

function flush(nowMs = NOON, ledgerDir: string | undefined = folder) {
  const deps = { store, nowMs: () => nowMs, ...(ledgerDir === undefined ? {} : { ledgerDir }) };
  return flushLedger(deps as Parameters<typeof flushLedger>[0], {
    dryRun: false,
    signal: new AbortController().signal,
  });
}

async function cost(of: Store = store, fromMs = NOON - 10 * DAY_MS, toMs = NOON) {
  const rows = await of.ledger.usage({ fromMs, toMs, nowMs: NOON, bySandbox: false });
  const bySandbox = await of.ledger.usage({ fromMs, toMs, nowMs: NOON, bySandbox: true });
  const options = { fromMs, toMs, withNodes: false, groupBy: ['team', 'state'] } as const;
  const priced = priceUsage(BOOK, rows, options);
  expect(priceUsage(BOOK, bySandbox, options)).toEqual(priced);
  return priced;
}

/** Morph: 28 h at $0.20 and 2 h paused at $0.0004. Proxmox: 2 h of an eighth of a node for $2 a day. */
const TWO_GUESTS_MICRO_USD = 5_600_000 + 800;

describe('the ledger in Redis', () => {
  it('keeps open intervals and closed ones exactly as the decision says, whatever it is told', async () => {
    const changes = fc.array(
      fc.record({
        guestId: fc.constantFrom('a', 'b'),
        state: fc.constantFrom(...BILLING_STATES, 'ended' as const, 'void' as const),
        atMs: fc.integer({ min: 1, max: 500 }),
        evidence: fc.constantFrom('provider' as const, 'clock' as const),
      }),
      { maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(changes, async (told) => {
        const fresh = createStore(connection, randomPrefix());
        const open = new Map<string, OpenInterval>();
        const closed: LedgerEntry[] = [];
        for (const { guestId, ...change } of told) {
          const of = account({ guestId, teamId: 'with "quotes" | and pipes' });
          const transaction = fresh.begin();
          bill(transaction, fresh.keys, of, change);
          await transaction.commit();
          const next = changeBilling(of, open.get(guestId), change);
          if (next.closed) closed.push(next.closed);
          if (next.open) open.set(guestId, next.open);
          else open.delete(guestId);
        }
        const writer = await fresh.ledger.becomeWriter();
        expect(await writer?.oldest(100)).toEqual(closed);
        const found = await fresh.ledger.openIntervals();
        expect(new Map(found.map((each) => [each.account.guestId, each]))).toEqual(open);
      }),
      { numRuns: 40 },
    );
  });

  it('never bills a guest again that is gone', async () => {
    const of = account();
    await connection.hset(store.keys.guest(of.guestId), 'state', 'gone');
    await tell(of, { state: 'running', atMs: NOON, evidence: 'clock' });
    expect(await store.ledger.openIntervals()).toEqual([]);
  });

  it('says the same before, between and after flushes', async () => {
    await tellOfTwoGuests();
    const before = await cost();
    expect(before.totalMicroUsd).toBeGreaterThan(TWO_GUESTS_MICRO_USD);
    await flush();
    expect(await store.ledger.backlog()).toBe(0);
    expect(await cost()).toEqual(before);
    await flush();
    expect(await cost()).toEqual(before);
    expect(await cost(createStore(connection, store.keys.tag.slice(1, -1)))).toEqual(before);
  });

  it('says the same when everything is told twice', async () => {
    await tellOfTwoGuests();
    const once = await cost();
    await tell(account(), { state: 'paused', atMs: NOON - HOUR, evidence: 'clock' });
    await tell(nodeAccount(), { state: 'ended', atMs: NOON, evidence: 'clock' });
    expect(await cost()).toEqual(once);
  });

  it('counts only what lies in the time that is asked for, to the millisecond', async () => {
    await tellOfTwoGuests();
    await flush();
    const from = NOON - 29 * HOUR - 1;
    const cut = NOON - 7 * HOUR + 1;
    const parts = [await cost(store, from, cut), await cost(store, cut, NOON)];
    const whole = await cost(store, from, NOON);
    const running = (priced: typeof whole) =>
      priced.lines.find(({ group }) => group.team === 'team-a' && group.state === 'running')?.ms.running ?? 0;
    expect(running(whole)).toBe(27 * HOUR + 1);
    expect(parts.map(running)).toEqual([22 * HOUR + 2, 5 * HOUR - 1]);
  });

  it('adds an entry once when the run that wrote it died before it took it off the journal', async () => {
    await tellOfTwoGuests();
    const before = await cost();
    const writer = await store.ledger.becomeWriter();
    const entries = (await writer?.oldest(10)) ?? [];
    await appendEntries(folder, entries);
    await writer?.release();
    await flush();
    expect(await cost()).toEqual(before);
    const restored = await restoreIntoEmptyRedis();
    expect(restored.counts).toMatchObject({
      entries: entries.length,
      repeated: entries.length,
      unreadable: 0,
    });
    expect(await cost(restored.store)).toEqual(before);
  });

  it('is written by one process at a time, and a batch once', async () => {
    await tellOfTwoGuests();
    const writer = await store.ledger.becomeWriter();
    if (writer === undefined) throw new Error('nobody else writes');
    expect(await store.ledger.becomeWriter()).toBeUndefined();
    const entries = await writer.oldest(10);
    await connection.set(store.keys.ledger.writer, 'somebody else:0');
    await expect(writer.fold(entries, NOON)).rejects.toThrow('another process writes');
    expect(await store.ledger.backlog()).toBe(entries.length);
  });

  it('keeps the journal when the files cannot be written, and raises an alert', async () => {
    await tellOfTwoGuests();
    const backlog = await store.ledger.backlog();
    await writeFile(join(folder, 'file'), '');
    await expect(flush(NOON, join(folder, 'file'))).rejects.toThrow();
    expect(await store.ledger.backlog()).toBe(backlog);
    expect((await store.alerts.active()).map(({ name }) => name)).toEqual(['ledger.unwritable']);
    await flush();
    expect(await store.alerts.active()).toEqual([]);
  });
});

async function restoreIntoEmptyRedis(isThere: (guestId: string) => boolean = () => true) {
  const empty = createStore(connection, randomPrefix());
  const restore = () => restoreLedger(empty, { folder, isThere, nowMs: NOON });
  return { store: empty, counts: await restore(), restore };
}

describe('the ledger after Redis was lost', () => {
  it('is what it was up to the last flush, to the micro-dollar, and says what it does not know', async () => {
    await tellOfTwoGuests();
    await flush();
    const before = await cost();
    const restored = await restoreIntoEmptyRedis();
    expect(restored.counts).toEqual({
      entries: 3,
      lines: 0,
      repeated: 0,
      unreadable: 0,
      openAgain: 1,
      endedAtFlush: 0,
      gap: { fromMs: NOON, toMs: NOON },
    });
    expect(await cost(restored.store)).toEqual(before);
    await restored.restore();
    expect(await cost(restored.store)).toEqual(before);
  });

  it('ends what was open at the flush where the guest is gone, once', async () => {
    await tellOfTwoGuests();
    await flush(NOON - HOUR);
    const restored = await restoreIntoEmptyRedis(() => false);
    expect(restored.counts).toMatchObject({ openAgain: 0, endedAtFlush: 1 });
    const paused = (await cost(restored.store)).lines.find(({ group }) => group.state === 'paused');
    expect(paused?.ms.paused).toBe(HOUR);
    expect(await restored.restore()).toMatchObject({ endedAtFlush: 0 });
    const again = (await cost(restored.store)).lines.find(({ group }) => group.state === 'paused');
    expect(again?.ms.paused).toBe(HOUR);
  });

  it('joins what a rebuild has opened in the same state to what was open before', async () => {
    const open = {
      account: account(),
      state: 'running',
      fromMs: NOON - 5 * HOUR,
      fromEvidence: 'provider',
    } as const;
    await writeSnapshot(folder, { takenAtMs: NOON - HOUR, open: [open] });
    await tell(account(), { state: 'running', atMs: NOON - 1, evidence: 'clock' });
    await restoreLedger(store, { folder, isThere: () => true, nowMs: NOON });
    expect(await store.ledger.openIntervals()).toEqual([open]);
  });

  it('ends at the flush what a rebuild has opened in another state', async () => {
    const open = {
      account: account(),
      state: 'running',
      fromMs: NOON - 5 * HOUR,
      fromEvidence: 'provider',
    } as const;
    await writeSnapshot(folder, { takenAtMs: NOON - HOUR, open: [open] });
    await tell(account(), { state: 'paused', atMs: NOON - 1, evidence: 'clock' });
    await restoreLedger(store, { folder, isThere: () => true, nowMs: NOON });
    const priced = await cost();
    expect(priced.lines.map(({ group, ms }) => [group.state, ms])).toEqual([
      ['running', { running: 4 * HOUR }],
      ['paused', { paused: 1 }],
    ]);
  });

  it('passes over half a line that a crash left, and writes the next entry on a line of its own', async () => {
    await tellOfTwoGuests();
    await flush();
    const before = await cost();
    const files = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'));
    expect(files).toEqual([`${dayText(TODAY)}.jsonl`]);
    await appendFile(join(folder, files[0] ?? ''), '{"id":"morph-00000001@12');
    await tell(account(), { state: 'ended', atMs: NOON, evidence: 'clock' });
    await flush();
    const restored = await restoreIntoEmptyRedis();
    expect(restored.counts).toMatchObject({ entries: 4, unreadable: 1 });
    expect(await cost(restored.store)).toEqual(before);
  });
});
