/** From intervals in the ledger to what they would have cost otherwise. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asUnder } from '../../src/core/counterfactual.ts';
import { DAY_MS, dayOf, monthStartMs } from '../../src/core/day.ts';
import { toMicroUsd } from '../../src/core/exact.ts';
import { type LedgerEntry, priceEntry } from '../../src/core/ledger.ts';
import { summarizeSavings } from '../../src/core/savings.ts';
import { LOCAL_PRICES, toPriceBook } from '../../src/platform/price-book-file.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { savingsSchema } from '../../src/producers/http/schemas.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { compareCosts } from '../../src/workers/sweeps/compare-costs.ts';
import { expectShape } from '../api/support.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { account, at } from './ledger-case.ts';

const NOW_MS = at('2026-11-20T12:00:00Z');
const HOUR_MS = 3_600_000;
const BOOK = toPriceBook(LOCAL_PRICES);
const quiet = new AbortController().signal;

let store: Store;
beforeAll(async () => {
  store = createStore(await connectRedis(sharedRedisUrl(), { role: 'worker' }), randomPrefix());
  await store.costs.publishPrices(LOCAL_PRICES);
});
afterAll(() => store.redis.disconnect());

function entry(sandboxId: string, state: LedgerEntry['state'], fromMs: number, hours: number): LedgerEntry {
  return {
    account: account({ guestId: `morph-${sandboxId}`, sandboxId }),
    state,
    fromMs,
    fromEvidence: 'clock',
    toMs: fromMs + hours * HOUR_MS,
    toEvidence: 'clock',
  };
}

/** Three days of one sandbox that is used for half an hour a day, and another that runs for a day. */
const BEGIN_MS = at('2026-11-10T09:00:00Z');
const FIRST = [0, 1, 2].flatMap((day) => [
  entry('sbx-1', 'running', BEGIN_MS + day * DAY_MS, 0.5),
  entry('sbx-1', 'paused', BEGIN_MS + day * DAY_MS + HOUR_MS / 2, 23.5),
]);
const SECOND = [entry('sbx-2', 'running', BEGIN_MS, 24)];

async function restore(entries: readonly LedgerEntry[]): Promise<void> {
  const writer = await store.ledger.becomeWriter();
  await writer?.restore(entries, NOW_MS);
  await writer?.release();
}

const compare = (nowMs = NOW_MS) =>
  compareCosts({ store, nowMs: () => nowMs }, { dryRun: false, signal: quiet });

describe('the comparison of costs', () => {
  beforeAll(async () => {
    await restore([...FIRST, ...SECOND]);
    expect(await compare()).toMatchObject({ looked: 2 });
  });

  test('has the cost of each day as the ledger has it', async () => {
    const { days } = await store.savings.read({ fromMs: monthStartMs(NOW_MS), toMs: NOW_MS });
    expect(days.map(({ period }) => period)).toContain('2026-11-11');
    for (const { period, actualMicroUsd } of days) {
      const fromMs = Date.parse(period);
      const costs = await store.costs.read({
        ...{ fromMs, toMs: Math.min(fromMs + DAY_MS, NOW_MS), nowMs: NOW_MS },
        ...{ groupBy: [], limit: 1 },
      });
      expect(actualMicroUsd).toBe(costs.totalMicroUsd);
    }
  });

  test('prices the old rule as its intervals say, day by day', async () => {
    const view = await store.savings.read({ fromMs: monthStartMs(NOW_MS), toMs: NOW_MS });
    expectShape(savingsSchema, JSON.parse(JSON.stringify(view)));
    const [month] = view.months;
    for (const bound of ['lower', 'upper'] as const) {
      const entries = [FIRST, SECOND].flatMap((history) => asUnder('old_rule', history)[bound]);
      const microUsd = entries.reduce((sum, each) => sum + toMicroUsd(priceEntry(BOOK, each)), 0);
      // Each day is rounded once.
      expect(month?.under.old_rule[`${bound}MicroUsd`]).toBeGreaterThan(microUsd - 50);
      expect(month?.under.old_rule[`${bound}MicroUsd`]).toBeLessThan(microUsd + 50);
    }
    expect(month?.under.all_on_morph.lowerMicroUsd).toBe(month?.under.all_on_morph.upperMicroUsd);
    expect(view.methods).toHaveLength(3);
    expect(month).toMatchObject({ peakRunning: 2, runningMs: 25.5 * HOUR_MS });
  });

  test('changes nothing when it runs again, and takes in what came late', async () => {
    const before = await store.redis.hgetall(store.keys.savings);
    await compare();
    expect(await store.redis.hgetall(store.keys.savings)).toEqual(before);
    await restore([entry('sbx-late', 'running', NOW_MS - DAY_MS, 2)]);
    await compare();
    const { days } = await store.savings.read({ fromMs: NOW_MS - DAY_MS, toMs: NOW_MS });
    const [yesterday] = days;
    expect(yesterday?.under.all_on_morph.lowerMicroUsd).toBe(2 * 200_000);
  });

  test('forgets days beyond 13 months', async () => {
    await compare(NOW_MS + 400 * DAY_MS);
    const { days } = await store.savings.read({ fromMs: 0, toMs: NOW_MS + 400 * DAY_MS });
    expect(Math.min(...days.map(({ period }) => dayOf(Date.parse(period))))).toBeGreaterThan(dayOf(NOW_MS));
  });
});

test('savings of a month are those of its days, by both readings', () => {
  const bounds = { lowerMicroUsd: 200, upperMicroUsd: 400 };
  const day = {
    actualMicroUsd: 100,
    under: { all_on_morph: bounds, no_idle_suspend: bounds, old_rule: bounds },
    runningMs: 10,
    peakRunning: 3,
  };
  const { months } = summarizeSavings([
    { day: '2026-10-31', ...day },
    { day: '2026-11-01', ...day },
    { day: '2026-11-02', ...day },
  ]);
  expect(months.map(({ period, actualMicroUsd }) => [period, actualMicroUsd])).toEqual([
    ['2026-10', 100],
    ['2026-11', 200],
  ]);
  expect(months[1]?.savedPercent.old_rule).toEqual([50, 75]);
  expect(months[1]).toMatchObject({ runningMs: 20, peakRunning: 3 });
});
