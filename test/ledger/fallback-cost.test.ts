/** What fallbacks cost on top: of the whole month, exact, and kept as long as the ledger. */
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { fallbackCost } from '../../src/core/fallback-cost.ts';
import type { LedgerAccount } from '../../src/core/ledger.ts';
import type { CostLine } from '../../src/core/usage.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { bill } from '../../src/store/billing.ts';
import { decodeAccount, encodeAccount } from '../../src/store/ledger-encoding.ts';
import { restoreLedger } from '../../src/store/restore-ledger.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { flushLedger } from '../../src/workers/sweeps/flush-ledger.ts';
import { accountOfLastRelease, usageOfLastRelease } from '../support/last-release.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { account, at } from './ledger-case.ts';

const HOUR = 3_600_000;
/** The last evening of a month of which the first days are older than intervals are kept for by guest. */
const NOW = at('2026-03-31T20:00:00Z');
const FIRST = at('2026-03-01T08:00:00Z');

describe('fallbackCost', () => {
  const line = (
    provider: string,
    meantFor: string,
    microUsd = 7,
    kind: CostLine['kind'] = 'allocated',
  ): CostLine => ({ kind, group: { provider, meantFor }, microUsd, ms: { running: 2, paused: 5 } });

  it.each([
    ['at Morph instead of on a node', line('morph', 'pve-vm'), { microUsd: 7, runningMs: 2 }],
    ['at Morph, as it was meant to be', line('morph', 'none'), { microUsd: 0, runningMs: 0 }],
    [
      'in a container instead of a VM: both are paid',
      line('pve-lxc', 'pve-vm'),
      { microUsd: 0, runningMs: 0 },
    ],
    ['on a node instead of at Morph', line('pve-vm', 'morph'), { microUsd: 0, runningMs: 0 }],
    ['no guest at all', line('morph', 'pve-vm', 7, 'other'), { microUsd: 0, runningMs: 0 }],
  ])('%s', (_what, given, expected) => {
    expect(fallbackCost([given])).toEqual(expected);
  });
});

describe('in the ledger', () => {
  let store: Store;
  let folder: string;
  const connecting = connectRedis(sharedRedisUrl(), { role: 'worker' });
  afterAll(async () => (await connecting).disconnect());
  beforeEach(async () => {
    store = createStore(await connecting, randomPrefix());
    folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-fallback-'));
    return () => rm(folder, { recursive: true, force: true });
  });

  async function ran(of: LedgerAccount, fromMs: number, hours: number): Promise<void> {
    const transaction = store.begin();
    bill(transaction, store.keys, of, { state: 'running', atMs: fromMs, evidence: 'clock' });
    bill(transaction, store.keys, of, { state: 'ended', atMs: fromMs + hours * HOUR, evidence: 'clock' });
    await transaction.commit();
  }
  async function flush(): Promise<void> {
    await flushLedger({ store, ledgerDir: folder, nowMs: () => NOW } as Parameters<typeof flushLedger>[0], {
      dryRun: false,
      signal: new AbortController().signal,
    });
  }
  async function read(): Promise<ReturnType<typeof fallbackCost>> {
    const time = { fromMs: at('2026-03-01'), toMs: NOW, nowMs: NOW };
    const { lines } = await store.costs.read({ ...time, groupBy: ['provider', 'meantFor'], limit: 100 });
    return fallbackCost(lines);
  }

  it('the month’s are known to the micro-dollar when the sandboxes are long gone, and again after Redis is lost', async () => {
    const fellBack = (guestId: string) =>
      account({ guestId, sandboxId: `sbx-${guestId}`, meantFor: 'pve-vm' });
    await ran(fellBack('morph-a'), FIRST, 10);
    await flush();
    await ran(fellBack('morph-b'), NOW - 3 * HOUR, 2);
    await ran(account({ guestId: 'morph-c', sandboxId: 'sbx-c' }), FIRST, 5);
    // 4 MCU at $0.05; one is in the tables, one still on the journal.
    const expected = { microUsd: 12 * 200_000, runningMs: 12 * HOUR };
    expect(await read()).toEqual(expected);
    await flush();
    expect(await read()).toEqual(expected);

    store = createStore(await connecting, randomPrefix());
    await restoreLedger(store, { folder, isThere: () => false, nowMs: NOW });
    expect(await read()).toEqual(expected);
  });

  it('is kept where the last release reads on, in intervals that wait or are open and in the tables of days', async () => {
    const { redis, keys } = store;
    await ran(account({ meantFor: 'pve-vm' }), FIRST, 1);
    await flush();
    await ran(account({ guestId: 'morph-waits', meantFor: 'pve-lxc' }), NOW - 2 * HOUR, 1);
    const transaction = store.begin();
    const open = account({ guestId: 'morph-open', meantFor: 'pve-vm' });
    bill(transaction, keys, open, { state: 'running', atMs: NOW - HOUR, evidence: 'clock' });
    await transaction.commit();

    const { usage, accounts: ofDay } = keys.ledger.day('2026-03-01');
    const withAccounts = [
      ...(await redis.hvals(ofDay)),
      ...(await redis.lrange(keys.ledger.journal, 0, -1)),
      ...(await redis.hvals(keys.ledger.open)),
    ];
    const accounts = withAccounts.map((text) => accountOfLastRelease.parse(text.slice(text.indexOf('['))));
    expect(accounts.map(([guestId]) => guestId)).toEqual([account().guestId, 'morph-waits', 'morph-open']);
    expect((await redis.hkeys(usage)).map((field) => usageOfLastRelease.parse(field)[9])).toEqual([
      'running',
    ]);
    expect(await read()).toEqual({ microUsd: 600_000, runningMs: 3 * HOUR });
  });

  it.each([
    ['pve-vm', ' '],
    ['pve-lxc', '  '],
    ['morph', '   '],
  ] as const)('%s is told by %j for ever', (provider, spaces) => {
    const encoded = encodeAccount(account({ meantFor: provider }));
    expect(encoded.slice(encoded.lastIndexOf(']') + 1)).toBe(spaces);
    expect(decodeAccount(encoded).meantFor).toBe(provider);
  });

  it('reads files that do not say so yet, and what a later release may add', async () => {
    const old = {
      ...{ guestId: 'morph-old', sandboxId: 'sbx-old', provider: 'morph', failureDomain: 'morph' },
      ...{ vcpus: 4, memoryMib: 8_192, diskGib: 32, state: 'running', fromEvidence: 'clock' },
      ...{ fromMs: FIRST, toMs: FIRST + HOUR, toEvidence: 'clock' },
    };
    const later = { ...old, guestId: 'morph-later', meantFor: 'pve-lxc', somethingNew: [1] };
    for (const entry of [old, later]) {
      await appendFile(join(folder, '2026-03-01.jsonl'), `${JSON.stringify(entry)}\n`);
    }
    const restored = await restoreLedger(store, { folder, isThere: () => false, nowMs: NOW });
    expect(restored).toMatchObject({ entries: 2, unreadable: 0 });
    expect(await read()).toEqual({ microUsd: 200_000, runningMs: HOUR });
  });

  it('reads accounts and tables to whose end a later release added something', async () => {
    await ran(account(), FIRST, 1);
    await flush();
    const { redis, keys } = store;
    const { usage } = keys.ledger.day('2026-03-01');
    const [[field = '', ms = ''] = []] = Object.entries(await redis.hgetall(usage));
    const added = (list: string) => JSON.stringify([...JSON.parse(list), 'pve-vm', 'something new']);
    await redis
      .multi()
      .hdel(usage, field)
      .hset(usage, added(field), ms)
      .hincrby(keys.ledger.versions, '2026-03-01', 1)
      .exec();
    await ran(account({ guestId: 'morph-waits' }), NOW - HOUR, 1);
    const [waiting = ''] = await redis.lrange(keys.ledger.journal, 0, -1);
    const cut = waiting.indexOf('[');
    await redis.lset(keys.ledger.journal, 0, waiting.slice(0, cut) + added(waiting.slice(cut)));
    expect(await read()).toEqual({ microUsd: 400_000, runningMs: 2 * HOUR });
  });
});
