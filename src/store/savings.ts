/** What the sweep `compare-costs` found, day by day. */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { COUNTERFACTUALS } from '../core/counterfactual.ts';
import { type Day, dayOf, dayText, parseDay, splitByDay } from '../core/day.ts';
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
      const days = (await redis.hkeys(keys.savings)).flatMap((name) => parseDay(name) ?? []);
      return days.length === 0 ? undefined : Math.max(...days);
    },

    async read({ fromMs, toMs }) {
      // Nothing older is kept.
      const oldestMs = toMs - USAGE_RETENTION_MS;
      const wanted = splitByDay(Math.max(fromMs, oldestMs), toMs).map(({ day }) => dayText(day));
      const [comparedAtMs = null, ...found] = await redis.hmget(keys.savings, COMPARED_AT, ...wanted);
      const days = wanted.flatMap((day, index) => {
        const text = found[index];
        return text ? [{ day, ...stored.parse(JSON.parse(text)) }] : [];
      });
      return {
        currency: 'USD',
        ...summarizeSavings(days),
        ...(comparedAtMs === null ? {} : { comparedAtMs: Number(comparedAtMs) }),
        target: TARGET,
        methods: METHODS,
      };
    },
  };
}
