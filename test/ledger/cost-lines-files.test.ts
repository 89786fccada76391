/** Metered lines of the bill outlive Redis: a flush writes them beside the ledger's days, a rebuild tells them again. */
import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { MeteredLine } from '../../src/core/cost-lines.ts';
import { replayLedger } from '../../src/main/replay-ledger.ts';
import { bill } from '../../src/store/billing.ts';
import { appendCostLines } from '../../src/store/cost-line-files.ts';
import { USAGE_RETENTION_MS } from '../../src/store/ledger.ts';
import { readSnapshot } from '../../src/store/ledger-files.ts';
import type { Store } from '../../src/store/store.ts';
import { flushLedger } from '../../src/workers/sweeps/flush-ledger.ts';
import { useEmptiedRedis } from './emptied-redis.ts';
import { account, at, day } from './ledger-case.ts';

const NOW = at('2026-11-20T12:00:00Z');
const HOUR = 3_600_000;

let store: Store;
let folder: string;
useEmptiedRedis((own) => {
  ({ store, folder } = own);
});

const line = (id: string, usd: number, more: Partial<MeteredLine> = {}): MeteredLine => ({
  id,
  line: 'ai',
  microUsd: usd * 1_000_000,
  day: day('2026-11-19'),
  ...more,
});
const tell = (told: MeteredLine) => store.costLines.tell(told, NOW);
const month = () =>
  store.costs.read({ fromMs: at('2026-11-01'), toMs: NOW, nowMs: NOW, groupBy: ['provider'], limit: 100 });
const rebuild = () =>
  replayLedger(store, { folder, nowMs: () => NOW })({ apply: true, isComplete: true, guestIds: new Set() });
const onDisk = async () =>
  (await readFile(join(folder, 'lines.jsonl'), 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map((text) => JSON.parse(text).id);

function flush(more: { readonly ledgerDir?: string } = { ledgerDir: folder }) {
  const deps = { store, nowMs: () => NOW, ...more };
  return flushLedger(deps as Parameters<typeof flushLedger>[0], {
    dryRun: false,
    signal: new AbortController().signal,
  });
}

async function runGuest(): Promise<void> {
  const transaction = store.begin();
  for (const [state, atMs] of [['running', NOW - 5 * HOUR] as const, ['ended', NOW - HOUR] as const])
    bill(transaction, store.keys, account(), { state, atMs, evidence: 'clock' });
  await transaction.commit();
}

test('after FLUSHALL and a rebuild the month is what it was at the last flush, lines and guests', async () => {
  await runGuest();
  await tell(line('monday', 3));
  await tell(line('correction', -0.5));
  expect(await flush()).toMatchObject({ written: 1, lines: 2 });
  const flushed = await month();
  expect(flushed.otherMicroUsd).toBe(2_500_000);
  await tell(line('after the flush', 10));

  await store.redis.flushall();
  expect((await month()).totalMicroUsd).toBe(0);
  const said = await rebuild();
  expect(said.join('\n')).toContain('2 other lines of the bill are there');
  expect(await month()).toEqual(flushed);
  // Whoever tells them again, as a job does that is not sure, changes nothing; what was lost is told anew.
  await tell(line('monday', 3));
  expect(await month()).toEqual(flushed);
  await tell(line('after the flush', 10));
  expect((await month()).otherMicroUsd).toBe(12_500_000);
});

test('a line is written once, however often it is told and flushed', async () => {
  for (let times = 0; times < 3; times += 1) {
    await tell(line('a', 1));
    await flush();
  }
  expect(await flush()).toMatchObject({ lines: 0 });
  expect(await onDisk()).toEqual(['a']);
});

test('what a run that died had written, and half a line of another, count once', async () => {
  await tell(line('a', 1));
  await appendCostLines(folder, [line('a', 1)]);
  await appendFile(join(folder, 'lines.jsonl'), '{"id":"b","li');
  await tell(line('b', 2));
  expect(await flush()).toMatchObject({ lines: 1 });
  await store.redis.flushall();
  await rebuild();
  await rebuild();
  expect((await store.costLines.all()).map(({ id }) => id)).toEqual(['a', 'b']);
});

test('what the last release told, and all of it where the folder is a new one, is written by the next flush', async () => {
  await tell(line('a', 1));
  await flush();
  const { id, ...told } = line('of the last release', 2);
  await store.redis.hset(store.keys.costLines, id, JSON.stringify(told));
  expect(await flush()).toMatchObject({ lines: 1 });
  await rm(folder, { recursive: true });
  expect(await flush()).toMatchObject({ lines: 2 });
  await store.redis.flushall();
  await rebuild();
  expect((await month()).otherMicroUsd).toBe(3_000_000);
});

test('a line that cannot be read keeps neither the others nor what is open from their files', async () => {
  const transaction = store.begin();
  bill(transaction, store.keys, account(), { state: 'running', atMs: NOW - HOUR, evidence: 'clock' });
  await transaction.commit();
  await store.redis.hset(store.keys.costLines, { half: '{"line":"a', strange: '{"line":7}' });
  await store.costLines.restore([line('whole', 1)], NOW);
  expect(await flush()).toMatchObject({ lines: 1, unreadable: 2 });
  expect(await onDisk()).toEqual(['whole']);
  expect((await readSnapshot(folder))?.open).toHaveLength(1);
});

test('lines that cannot be written keep nothing that is open from its file', async () => {
  await tell(line('a', 1));
  await mkdir(join(folder, 'lines.jsonl'));
  await expect(flush()).rejects.toThrow('EISDIR');
  expect(await readSnapshot(folder)).toMatchObject({ takenAtMs: NOW });
});

test('what is older than costs are kept stays on disk alone', async () => {
  const old = line('old', 1, { day: Math.floor((NOW - USAGE_RETENTION_MS) / 86_400_000) - 1 });
  await appendCostLines(folder, [old, line('new', 1)]);
  await rebuild();
  expect((await store.costLines.all()).map(({ id }) => id)).toEqual(['new']);
});

test('without a folder they are in Redis alone', async () => {
  await tell(line('a', 1));
  expect(await flush({})).toMatchObject({ lines: 0 });
  expect((await month()).otherMicroUsd).toBe(1_000_000);
});
