import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { monthText } from '../../src/core/day.ts';
import { PUBLISHED_PRICES } from '../../src/platform/price-book-file.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { compareCosts } from '../../src/workers/sweeps/compare-costs.ts';
import { account } from '../ledger/ledger-case.ts';
import { sharedRedisUrl } from '../support/redis.ts';
import { cli } from './run.ts';

const HOUR_MS = 3_600_000;
const deployment = `test-${randomBytes(6).toString('hex')}`;
const environment = { REDIS_URL: sharedRedisUrl(), DEPLOYMENT: deployment };
/** Long enough ago to be over, and in a month of its own: the one of two days ago. */
const RAN_FROM_MS = Date.now() - 48 * HOUR_MS;
const MONTH = monthText(RAN_FROM_MS);

let store: Store;
beforeAll(async () => {
  store = createStore(await connectRedis(environment.REDIS_URL, { role: 'worker' }), deployment);
  await store.costs.publishPrices(PUBLISHED_PRICES);
  const writer = await store.ledger.becomeWriter();
  const ran = {
    account: account({ meantFor: 'pve-vm' }),
    state: 'running',
    fromMs: RAN_FROM_MS,
    toMs: RAN_FROM_MS + HOUR_MS,
  } as const;
  await writer?.restore([{ ...ran, fromEvidence: 'clock', toEvidence: 'clock' }], Date.now());
  await writer?.release();
  await compareCosts({ store, nowMs: Date.now }, { dryRun: false, signal: new AbortController().signal });
});
afterAll(() => store.redis.disconnect());

const since = ['--from', new Date(RAN_FROM_MS).toISOString()];

describe('what is spent, on the command line', () => {
  test('costs are lines and a total, as columns, as Markdown, and as the API tells them', async () => {
    const columns = await cli(['costs', ...since], environment);
    expect(columns).toMatchObject({ status: 0 });
    expect(columns.out).toMatch(/morph +\$0\.20 +1\.0 h/);
    const { out: markdown } = await cli(['costs', ...since, '-o', 'markdown'], environment);
    expect(markdown).toContain('| provider | cost | running | paused |');
    expect(markdown).toContain('| total | $0.20 |');
    const { out: json } = await cli(['costs', ...since, '--by', 'team', '-o', 'json'], environment);
    expect(JSON.parse(json)).toMatchObject({ totalMicroUsd: 200_000, groupBy: ['team'] });
  });

  test('savings name each policy with its method', async () => {
    const { out } = await cli(['savings', ...since, '--days'], environment);
    expect(out).toContain('the old rule');
    expect(out).toContain('All on Morph, paused an hour after start or wake');
  });

  test('the review of a month answers the roadmap’s questions from the ledger', async () => {
    const { out, status } = await cli(['report', '--month', MONTH, '-o', 'markdown'], environment);
    expect(status).toBe(0);
    expect(out).toContain(`## Review of ${MONTH}`);
    expect(out).toContain(
      '| Actual Morph spend per month? | $0.20, of it $0.20 for 1 h that were meant for a node |',
    );
    expect(out).toMatch(/How many concurrent sandboxes\? \| [\d.]+ on average, 1 at the peak/);
    expect(out).toContain('| Morph RAM snapshots critical? | not used in this month.');
    expect(out).toContain('| KVM/hardware virtualization? | this data cannot tell: no VM ran on Proxmox');
  });

  test('refuses what is no day and no month', async () => {
    expect(await cli(['costs', '--from', 'yesterday'], environment)).toMatchObject({ status: 2 });
    expect(await cli(['report', '--month', '2026-13'], environment)).toMatchObject({ status: 2 });
  });
});

describe('the plan', () => {
  test('prints each phase and when a node pays, and asks nobody', async () => {
    const { out, status } = await cli(['plan', '--users', '10', '--sessions', '2', '--hours', '2.5']);
    expect(status).toBe(0);
    for (const phase of ['today', 'phase 1', 'phase 2', 'phase 3', 'phase 4']) expect(out).toContain(phase);
    expect(out).toMatch(/pays from \d+ sandbox hours/);
  });

  test('reads a file of usage, and says what is wrong in it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-plan-'));
    const file = join(folder, 'usage.json');
    try {
      writeFileSync(file, JSON.stringify({ users: 3, node: { usdPerMonth: 50 } }));
      const { out } = await cli(['plan', '--usage', file, '-o', 'json']);
      expect(JSON.parse(out)).toMatchObject({
        usage: { users: 3, node: { usdPerMonth: 50, memoryMib: 131_072 } },
      });
      writeFileSync(file, JSON.stringify({ users: 3, prodShare: 2, colour: 'red' }));
      const { err, status } = await cli(['plan', '--usage', file]);
      expect(status).toBe(2);
      expect(err).toContain('prodShare');
      expect(err).toContain('colour');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
