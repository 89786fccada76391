/**
 * Metered lines of the bill, as somebody told them. `flush-ledger` writes into a file what is not in it yet, whoever
 * told it and when, and `restoreLedger` tells it again from there after Redis was lost.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { MeteredLine } from '../core/cost-lines.ts';
import { dayOf } from '../core/day.ts';
import type { Keys } from './keys.ts';
import { USAGE_RETENTION_MS } from './ledger.ts';
import { readJson } from './read-json.ts';

export interface CostLineStore {
  /**
   * The line that this id has from now on: the one that was told first, and can be read. `full`: there are as many as
   * are kept.
   */
  tell(line: MeteredLine, nowMs: number): Promise<MeteredLine | 'full'>;
  /** Those that can be read, by day, the oldest first; 13 months. */
  all(): Promise<readonly MeteredLine[]>;
  count(): Promise<number>;
  /** Those that have none of these ids, and the ids of those that cannot be read. */
  besides(
    ids: ReadonlySet<string>,
  ): Promise<{ readonly lines: readonly MeteredLine[]; readonly unreadable: readonly string[] }>;
  /** Those of the files: what is known already, or older than what is kept, changes nothing. */
  restore(lines: readonly MeteredLine[], nowMs: number): Promise<void>;
}

/** Five lines told every day for 13 months are 2,000; some 1 MB, which every reading of costs reads. */
export const MAX_METERED_LINES = 10_000;

const stored = z.object({ line: z.string(), microUsd: z.number(), day: z.number() });

export function createCostLines(redis: Redis, { costLines: known }: Keys): CostLineStore {
  const parse = (id: string, text: string | null | undefined): MeteredLine | undefined => {
    const { data } = stored.safeParse(readJson(text ?? ''));
    return data && { id, ...data };
  };
  const oldestDay = (nowMs: number) => dayOf(nowMs - USAGE_RETENTION_MS);

  async function all(): Promise<readonly MeteredLine[]> {
    const found = Object.entries(await redis.hgetall(known)).flatMap(([id, text]) => parse(id, text) ?? []);
    return found.sort((a, b) => a.day - b.day || a.id.localeCompare(b.id));
  }

  return {
    all,
    async tell({ id, ...line }, nowMs) {
      const oldest = oldestDay(nowMs);
      const lines = await all();
      const outdated = lines.filter(({ day }) => day < oldest).map((each) => each.id);
      if (outdated.length > 0) await redis.hdel(known, ...outdated);
      if (lines.length - outdated.length >= MAX_METERED_LINES && !lines.some((each) => each.id === id))
        return 'full';
      await redis.hsetnx(known, id, JSON.stringify(line));
      const first = parse(id, await redis.hget(known, id));
      if (first !== undefined) return first;
      await redis.hset(known, id, JSON.stringify(line));
      return { id, ...line };
    },
    count: () => redis.hlen(known),
    async besides(ids) {
      const wanted = (await redis.hkeys(known)).filter((id) => !ids.has(id));
      const texts = wanted.length === 0 ? [] : await redis.hmget(known, ...wanted);
      const lines = wanted.flatMap((id, at) => parse(id, texts[at]) ?? []);
      const readable = new Set(lines.map(({ id }) => id));
      return { lines, unreadable: wanted.filter((id) => !readable.has(id)) };
    },
    async restore(lines, nowMs) {
      const oldest = oldestDay(nowMs);
      const pipeline = redis.pipeline();
      for (const { id, ...line } of lines.filter(({ day }) => day >= oldest))
        pipeline.hsetnx(known, id, JSON.stringify(line));
      await pipeline.exec();
    },
  };
}
