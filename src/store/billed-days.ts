/** What providers charged, day by day, next to what the ledger says: a hash, bounded by the age of its days. */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { BilledDay } from '../core/billed.ts';
import { DAY_MS, dayOf, dayText, parseDay } from '../core/day.ts';
import { PROVIDER_NAMES } from '../core/provider-name.ts';
import type { Keys } from './keys.ts';
import { USAGE_RETENTION_MS } from './ledger.ts';

export interface BilledDays {
  /** A day that is told again is replaced: bills lag behind. */
  keep(days: readonly BilledDay[], nowMs: number): Promise<void>;
  /** Those that begin and end within a time, the oldest first. */
  within(time: { readonly fromMs: number; readonly toMs: number }): Promise<readonly BilledDay[]>;
}

const schema = z.object({
  provider: z.enum(PROVIDER_NAMES),
  day: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  billedMicroUsd: z.number(),
  ledgerMicroUsd: z.number(),
  differenceMicroUsd: z.number(),
  asOfMs: z.number(),
});

export function createBilledDays(redis: Redis, keys: Keys): BilledDays {
  const key = keys.ledger.billed;
  return {
    async keep(days, nowMs) {
      if (days.length === 0) return;
      const oldest = dayText(dayOf(nowMs - USAGE_RETENTION_MS));
      const over = (await redis.hkeys(key)).filter((field) => dayIn(field) < oldest);
      const write = redis.multi();
      write.hset(
        key,
        days.flatMap((each) => [`${each.provider}|${each.day}`, JSON.stringify(each)]),
      );
      if (over.length > 0) write.hdel(key, ...over);
      await write.exec();
    },
    async within({ fromMs, toMs }) {
      const all = await redis.hgetall(key);
      return Object.keys(all)
        .sort((a, b) => dayIn(a).localeCompare(dayIn(b)))
        .flatMap((field) => {
          const startMs = (parseDay(dayIn(field)) ?? Number.NaN) * DAY_MS;
          if (!(startMs >= fromMs && startMs + DAY_MS <= toMs)) return [];
          return [schema.parse(JSON.parse(all[field] ?? ''))];
        });
    },
  };
}

function dayIn(field: string): string {
  return field.slice(field.indexOf('|') + 1);
}
