/** The ledger's usage at the prices that workers publish: what the API, the pages and the metrics show. */
import type { Redis } from 'ioredis';
import { otherCosts } from '../core/cost-lines.ts';
import { type CostRates, ratesPerHour } from '../core/cost-rate.ts';
import { type CostQuery, type CostsView, limitLines } from '../core/costs.ts';
import type { PriceBook } from '../core/price-book.ts';
import { type PricedSandboxes, priceSandboxes } from '../core/sandbox-cost.ts';
import type { CostGroup } from '../core/usage.ts';
import { priceUsage } from '../core/usage-cost.ts';
import {
  type PriceBookText,
  PUBLISHED_PRICES,
  priceBookSchema,
  toPriceBook,
} from '../platform/price-book-file.ts';
import type { BilledDays } from './billed-days.ts';
import type { CostLineStore } from './cost-lines.ts';
import type { Keys } from './keys.ts';
import type { LedgerStore } from './ledger.ts';

export interface CostsStore {
  publishPrices(prices: PriceBookText): Promise<void>;
  /** Those that a worker published; before that Morph's published ones. */
  prices(): Promise<PriceBook>;
  read(query: CostQuery): Promise<CostsView>;
  /** What is being spent now. */
  ratesPerHour(nowMs: number): Promise<CostRates>;
}

export interface CostsDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly ledger: LedgerStore;
  readonly billedDays: BilledDays;
  readonly costLines: CostLineStore;
}

export function createCosts({ redis, keys, ledger, billedDays, costLines }: CostsDeps): CostsStore {
  let known = { text: '', book: toPriceBook(PUBLISHED_PRICES) };

  async function prices(): Promise<PriceBook> {
    const text = await redis.hget(keys.deployment, 'priceBook');
    if (text !== null && text !== known.text) {
      known = { text, book: toPriceBook(priceBookSchema.parse(JSON.parse(text))) };
    }
    return known.book;
  }

  return {
    prices,
    async publishPrices(book) {
      await redis.hset(keys.deployment, 'priceBook', JSON.stringify(book));
    },
    async ratesPerHour(nowMs) {
      const [book, open] = await Promise.all([prices(), ledger.openIntervals()]);
      return ratesPerHour(book, open, nowMs);
    },
    async read(query) {
      const { fromMs, toMs, groupBy, limit, teamId } = query;
      const book = await prices();
      const [{ beyond, ...priced }, billed, metered] = await Promise.all([
        priceSandboxTime(ledger, book, query),
        // A bill is of the whole account: no team's business.
        teamId === undefined ? billedDays.within({ fromMs, toMs }) : [],
        teamId === undefined ? costLines.all() : [],
      ]);
      const byDay = groupBy.includes('day');
      const other = otherCosts(teamId === undefined ? book : {}, metered, { fromMs, toMs, byDay });
      const lines = [...priced.lines, ...other.lines].sort((a, b) => b.microUsd - a.microUsd);
      return {
        fromMs,
        toMs,
        currency: 'USD',
        pricesAsOf: book.asOf,
        groupBy,
        ...priced,
        totalMicroUsd: priced.totalMicroUsd + other.totalMicroUsd,
        otherMicroUsd: other.totalMicroUsd,
        ...limitLines(lines, limit, beyond),
        billed,
      };
    },
  };
}

async function priceSandboxTime(
  ledger: LedgerStore,
  book: PriceBook,
  { fromMs, toMs, nowMs, groupBy, limit, teamId }: CostQuery,
): Promise<PricedSandboxes> {
  const time = { fromMs, toMs, nowMs };
  const options = { groupBy, fromMs, toMs, withNodes: teamId === undefined };
  if (groupBy.includes('sandbox')) {
    return priceSandboxes(book, await ledger.sandboxUsage(time), { ...options, limit, teamId });
  }
  const differBy: readonly CostGroup[] = teamId === undefined ? groupBy : ['team', ...groupBy];
  const all = await ledger.usage({ ...time, bySandbox: false, differBy });
  const rows = teamId === undefined ? all : all.filter((row) => row.teamId === teamId);
  return { ...priceUsage(book, rows, options), beyond: { lines: 0, microUsd: 0 } };
}
