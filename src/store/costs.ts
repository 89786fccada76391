/** The ledger's usage at the prices that workers publish: what the API, the pages and the metrics show. */
import type { Redis } from 'ioredis';
import { otherCosts } from '../core/cost-lines.ts';
import { type CostRates, ratesPerHour } from '../core/cost-rate.ts';
import { type CostQuery, type CostsView, limitLines } from '../core/costs.ts';
import type { PriceBook } from '../core/price-book.ts';
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
    async read({ fromMs, toMs, nowMs, groupBy, limit, teamId }) {
      const bySandbox = groupBy.includes('sandbox');
      const [book, all, billed, metered] = await Promise.all([
        prices(),
        ledger.usage({ fromMs, toMs, nowMs, bySandbox }),
        // A bill is of the whole account: no team's business.
        teamId === undefined ? billedDays.within({ fromMs, toMs }) : [],
        teamId === undefined ? costLines.all() : [],
      ]);
      const rows = teamId === undefined ? all : all.filter((row) => row.teamId === teamId);
      const withNodes = teamId === undefined;
      const priced = priceUsage(book, rows, { groupBy, fromMs, toMs, withNodes });
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
        ...limitLines(lines, limit),
        billed,
      };
    },
  };
}
