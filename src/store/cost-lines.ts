/**
 * Metered lines of the bill, as somebody told them. Each also waits on a journal until `flush-ledger` has it in a
 * file, from which `restoreLedger` tells it again after Redis was lost.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { MeteredLine } from '../core/cost-lines.ts';
import { dayOf } from '../core/day.ts';
import type { Keys } from './keys.ts';
import { USAGE_RETENTION_MS } from './ledger.ts';
import type { BeginTransaction } from './transaction.ts';

export interface CostLineStore {
  /** The line that this id has from now on: the one that was told first. `full`: there are as many as are kept. */
  tell(line: MeteredLine, nowMs: number): Promise<MeteredLine | 'full'>;
  /** By day, the oldest first; 13 months. */
  all(): Promise<readonly MeteredLine[]>;
  /** Those that are in no file yet, the oldest first. */
  waiting(limit: number): Promise<readonly MeteredLine[]>;
  /** They are in a file now. May be said twice. */
  written(lines: readonly MeteredLine[]): Promise<void>;
  /** Those of the files: what is known already, or older than what is kept, changes nothing. */
  restore(lines: readonly MeteredLine[], nowMs: number): Promise<void>;
}

/** Five lines told every day for 13 months are 2,000; some 1 MB, which every reading of costs reads. */
export const MAX_METERED_LINES = 10_000;

const stored = z.object({ line: z.string(), microUsd: z.number(), day: z.number() });
const waitingLine = stored.extend({ id: z.string() });

export function createCostLines(redis: Redis, keys: Keys, begin: BeginTransaction): CostLineStore {
  const { lines: known, journal } = keys.costLines;
  const parse = (id: string, text: string): MeteredLine => ({ id, ...stored.parse(JSON.parse(text)) });
  const oldestDay = (nowMs: number) => dayOf(nowMs - USAGE_RETENTION_MS);

  async function all(): Promise<readonly MeteredLine[]> {
    const found = Object.entries(await redis.hgetall(known)).map(([id, text]) => parse(id, text));
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
      await begin()
        .guardField(known, id, '')
        .command('HSET', known, id, JSON.stringify(line))
        .command('RPUSH', journal, encodeWaiting({ id, ...line }))
        .commit();
      return parse(id, z.string().parse(await redis.hget(known, id)));
    },
    async waiting(limit) {
      const texts = await redis.lrange(journal, 0, limit - 1);
      return texts.map((text) => waitingLine.parse(JSON.parse(text)));
    },
    async written(lines) {
      // By value, so that a run that was overtaken takes nobody else's off.
      const pipeline = redis.pipeline();
      for (const line of lines) pipeline.lrem(journal, 1, encodeWaiting(line));
      await pipeline.exec();
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

/** The same text for the same line. */
function encodeWaiting({ id, line, microUsd, day }: MeteredLine): string {
  return JSON.stringify({ id, line, microUsd, day });
}
