/** The counts behind the metrics, as they were raised in the transactions that made them true. */
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';

/** Measure → count, for every measure that ever was raised. */
export type Counts = Readonly<Record<string, number>>;

export interface Measures {
  /** See `core/measures.ts` for the names. */
  counts(): Promise<Counts>;
  /** `state|provider` → how many current sandboxes; `none` while there is no guest. */
  sandboxes(): Promise<Counts>;
}

export function createMeasures(redis: Redis, keys: Keys): Measures {
  const numbers = async (key: string) => {
    const fields = await redis.hgetall(key);
    return Object.fromEntries(Object.entries(fields).map(([name, count]) => [name, Number(count)]));
  };
  return {
    counts: () => numbers(keys.measures),
    sandboxes: () => numbers(keys.sandboxesCounts),
  };
}
