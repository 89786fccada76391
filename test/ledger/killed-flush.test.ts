/** A real process that writes the ledger is killed in the middle: nothing is lost, nothing counts twice. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DAY_MS } from '../../src/core/day.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { bill } from '../../src/store/billing.ts';
import { restoreLedger } from '../../src/store/restore-ledger.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { flushLedger } from '../../src/workers/sweeps/flush-ledger.ts';
import { eventually } from '../support/eventually.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { account } from './ledger-case.ts';

const NOON = (Math.floor(Date.now() / DAY_MS) - 1) * DAY_MS + DAY_MS / 2;
/** Several batches, so that there is a middle. */
const GUESTS = 4_000;

let connection: Store['redis'];
let folder: string;
beforeAll(async () => {
  connection = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-killed-'));
});
afterAll(async () => {
  connection.disconnect();
  await rm(folder, { recursive: true, force: true });
});

it('loses and doubles nothing when the process that flushes is killed in the middle', async () => {
  const deployment = randomPrefix();
  const store = createStore(connection, deployment);
  const told = Array.from({ length: GUESTS }, (_, index) => account({ guestId: `morph-${index}` }));
  const tell = (state: 'running' | 'ended', hoursAgo: number) =>
    Promise.all(
      told.map((of) => {
        const transaction = store.begin();
        const atMs = NOON - hoursAgo * 3_600_000;
        bill(transaction, store.keys, of, { state, atMs, evidence: 'clock' });
        return transaction.commit();
      }),
    );
  await tell('running', 30);
  await tell('ended', 2);
  const before = await ranMs(store);
  expect(before).toBe(GUESTS * 28 * 3_600_000);

  const left: number[] = [];
  for (const share of [0.8, 0.4]) {
    const main = fileURLToPath(new URL('./flush-main.ts', import.meta.url));
    const child = fork(main, [sharedRedisUrl(), deployment, folder, String(NOON)], {
      execArgv: ['--import', 'tsx'],
    });
    await once(child, 'message');
    await eventually('it is in the middle', async () => (await store.ledger.backlog()) < GUESTS * share);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    expect(await gone).toEqual([null, 'SIGKILL']);
    left.push(await store.ledger.backlog());
    expect(await ranMs(store)).toBe(before);
    // Its lease would end within a minute.
    await connection.del(store.keys.ledger.writer);
  }
  expect(left.every((entries) => entries > 0)).toBe(true);

  await flushLedger({ store, nowMs: () => NOON, ledgerDir: folder } as Parameters<typeof flushLedger>[0], {
    dryRun: false,
    signal: new AbortController().signal,
  });
  expect(await store.ledger.backlog()).toBe(0);
  expect(await ranMs(store)).toBe(before);
  const empty = createStore(connection, randomPrefix());
  const counts = await restoreLedger(empty, { folder, isThere: () => false, nowMs: NOON });
  expect(counts).toMatchObject({ entries: GUESTS, openAgain: 0, endedAtFlush: 0 });
  expect(await ranMs(empty)).toBe(before);
});

async function ranMs(store: Store): Promise<number> {
  const time = { fromMs: NOON - 3 * DAY_MS, toMs: NOON, nowMs: NOON };
  const rows = await store.ledger.usage({ ...time, bySandbox: false });
  return rows.reduce((sum, { ms }) => sum + ms, 0);
}
