/** Metered lines of the bill, as somebody told them. */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { MeteredLine } from '../core/cost-lines.ts';
import { dayOf } from '../core/day.ts';
import type { Keys } from './keys.ts';
import { USAGE_RETENTION_MS } from './ledger.ts';

export interface CostLineStore {
  /** The line that this id has from now on: the one that was told first. `full`: there are as many as are kept. */
  tell(line: MeteredLine, nowMs: number): Promise<MeteredLine | 'full'>;
  /** By day, the oldest first; 13 months. */
  all(): Promise<readonly MeteredLine[]>;
}

/** Five lines told every day for 13 months are 2,000; some 1 MB, which every reading of costs reads. */
export const MAX_METERED_LINES = 10_000;

const stored = z.object({ line: z.string(), microUsd: z.number(), day: z.number() });

export function createCostLines(redis: Redis, keys: Keys): CostLineStore {
  const parse = (id: string, text: string): MeteredLine => ({ id, ...stored.parse(JSON.parse(text)) });

  async function all(): Promise<readonly MeteredLine[]> {
    const found = Object.entries(await redis.hgetall(keys.costLines)).map(([id, text]) => parse(id, text));
    return found.sort((a, b) => a.day - b.day || a.id.localeCompare(b.id));
  }

  return {
    all,
    async tell({ id, ...line }, nowMs) {
      const oldest = dayOf(nowMs - USAGE_RETENTION_MS);
      const known = await all();
      const outdated = known.filter(({ day }) => day < oldest).map((each) => each.id);
      if (outdated.length > 0) await redis.hdel(keys.costLines, ...outdated);
      if (known.length - outdated.length >= MAX_METERED_LINES && !known.some((each) => each.id === id))
        return 'full';
      await redis.hsetnx(keys.costLines, id, JSON.stringify(line));
      return parse(id, z.string().parse(await redis.hget(keys.costLines, id)));
    },
  };
}
