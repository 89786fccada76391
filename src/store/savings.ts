/** What the sweep `compare-costs` found, day by day. */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { COUNTERFACTUALS } from '../core/counterfactual.ts';
import { DAY_MS, type Day, dayOf, dayText, parseDay } from '../core/day.ts';
import { type DaySavings, METHODS, type SavingsView, summarizeSavings, TARGET } from '../core/savings.ts';
import type { Keys } from './keys.ts';
import { USAGE_RETENTION_MS } from './ledger.ts';

export interface SavingsStore {
  /** Replaces what was known of these days, and forgets those beyond 13 months. */
  write(days: readonly DaySavings[], nowMs: number): Promise<void>;
  /** The newest day that is known. */
  lastDay(): Promise<Day | undefined>;
  read(time: { readonly fromMs: number; readonly toMs: number }): Promise<SavingsView>;
}

const bounds = z.object({ lowerMicroUsd: z.number(), upperMicroUsd: z.number() });
const stored = z.object({
  actualMicroUsd: z.number(),
  under: z.record(z.enum(COUNTERFACTUALS), bounds),
  runningMs: z.number(),
  peakRunning: z.number(),
});

const COMPARED_AT = 'comparedAtMs';

export function createSavings(redis: Redis, keys: Keys): SavingsStore {
  const known = async () => {
    const { [COMPARED_AT]: comparedAtMs, ...days } = await redis.hgetall(keys.savings);
    return { comparedAtMs, days };
  };
  return {
    async write(days, nowMs) {
      const oldest = dayText(dayOf(nowMs - USAGE_RETENTION_MS));
      const outdated = (await redis.hkeys(keys.savings)).filter((day) => day < oldest && day !== COMPARED_AT);
      const multi = redis.multi().hset(keys.savings, COMPARED_AT, nowMs);
      for (const { day, ...rest } of days) multi.hset(keys.savings, day, JSON.stringify(rest));
      if (outdated.length > 0) multi.hdel(keys.savings, ...outdated);
      await multi.exec();
    },

    async lastDay() {
      const days = Object.keys((await known()).days).sort();
      return parseDay(days.at(-1) ?? '');
    },

    async read({ fromMs, toMs }) {
      const { comparedAtMs, days } = await known();
      const from = dayText(dayOf(fromMs));
      const to = dayText(Math.ceil(toMs / DAY_MS));
      const wanted = Object.keys(days)
        .filter((day) => from <= day && day < to)
        .sort();
      return {
        currency: 'USD',
        ...summarizeSavings(wanted.map((day) => ({ day, ...stored.parse(JSON.parse(days[day] ?? '')) }))),
        ...(comparedAtMs === undefined ? {} : { comparedAtMs: Number(comparedAtMs) }),
        target: TARGET,
        methods: METHODS,
      };
    },
  };
}
