/** What a rebuild does with the ledger's files. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { replayLedger } from '../../src/main/replay-ledger.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { bill } from '../../src/store/billing.ts';
import { writeSnapshot } from '../../src/store/ledger-files.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { account } from './ledger-case.ts';

const NOW_MS = Date.UTC(2026, 0, 10, 12);
const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
afterAll(() => redis.disconnect());

let store: Store;
let folder: string;
beforeEach(async () => {
  store = createStore(redis, randomPrefix());
  folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-replay-'));
  const state = 'running' as const;
  const open = [{ account: account(), state, fromMs: NOW_MS - 3_600_000, fromEvidence: 'clock' as const }];
  await writeSnapshot(folder, { takenAtMs: NOW_MS - 60_000, open });
  return () => rm(folder, { recursive: true, force: true });
});

function replay(
  more: { readonly apply?: boolean; readonly isComplete?: boolean; readonly from?: string } = {},
) {
  const { apply = true, isComplete = true, from = folder } = more;
  const guestIds = new Set([account().guestId]);
  return replayLedger(store, { folder: from, nowMs: () => NOW_MS })({ apply, isComplete, guestIds });
}

const openNow = () => store.ledger.openIntervals();

test('what was open goes on where its guest was met, and the gap is told', async () => {
  const [what, gap] = await replay();
  expect(what).toContain('0 intervals count again, 1 go on, 0 ended');
  expect(gap).toContain('not known: what began and ended from 2026-01-10T11:59:00.000Z');
  expect(await openNow()).toHaveLength(1);
});

test('a guest in another state than at the flush keeps whose it was and what its start was meant for', async () => {
  // As a rebuild opens it, from its marker: without what only the ledger knew.
  const { preset: _, ...bare } = account({ size: { vcpus: 0, memoryMib: 0, diskGib: 0 } });
  const transaction = store.begin();
  bill(transaction, store.keys, bare, { state: 'paused', atMs: NOW_MS - 1_000, evidence: 'clock' });
  await transaction.commit();
  const fellBack = account({ meantFor: 'pve-vm' });
  const state = 'running' as const;
  const open = [{ account: fellBack, state, fromMs: NOW_MS - 3_600_000, fromEvidence: 'clock' as const }];
  await writeSnapshot(folder, { takenAtMs: NOW_MS - 60_000, open });
  expect((await replay()).join()).toContain('0 go on, 1 ended');
  const known = { account: fellBack, state: 'paused', fromMs: NOW_MS - 1_000, fromEvidence: 'clock' };
  expect(await openNow()).toEqual([known]);
  await replay();
  expect(await openNow()).toEqual([known]);
});

test.each([
  ['a dry run', { apply: false }, 'would be restored'],
  ['a provider that did not answer', { isComplete: false }, 'not every provider answered'],
  ['no files', { from: '/nowhere/ledger' }, 'there are no files'],
])('%s restores nothing and says so', async (_what, options, said) => {
  expect((await replay(options)).join()).toContain(said);
  expect(await openNow()).toEqual([]);
});
