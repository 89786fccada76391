/** Starts that succeeded, counted in slices of time, each of which goes by itself. */
import type { Redis } from 'ioredis';
import type { StartCounts } from '../core/fallback-share.ts';
import { type Keys, START_COUNTS_RETENTION_MS } from './keys.ts';
import type { Transaction } from './transaction.ts';

export interface StartCountStore {
  /** Of the last `windowMs`, to a slice. */
  within(windowMs: number, nowMs: number): Promise<StartCounts>;
}

/** A day of them is 288 small hashes: what a window of a day reads in one go. */
const SLICE_MS = 5 * 60_000;
const sliceOf = (ms: number) => Math.floor(ms / SLICE_MS);

/** In the write that settles the start. */
export function countStart(transaction: Transaction, keys: Keys, fellBack: boolean, nowMs: number): void {
  const key = keys.startCounts(sliceOf(nowMs));
  transaction.command('HINCRBY', key, 'total', 1);
  if (fellBack) transaction.command('HINCRBY', key, 'fellBack', 1);
  transaction.command('PEXPIRE', key, START_COUNTS_RETENTION_MS);
}

export function createStartCounts(redis: Redis, keys: Keys): StartCountStore {
  return {
    async within(windowMs, nowMs) {
      const slices = Math.ceil(Math.min(windowMs, START_COUNTS_RETENTION_MS) / SLICE_MS);
      const pipeline = redis.pipeline();
      for (let back = 0; back < slices; back += 1) pipeline.hgetall(keys.startCounts(sliceOf(nowMs) - back));
      const counted = { total: 0, fellBack: 0 };
      for (const [error, slice] of (await pipeline.exec()) ?? []) {
        if (error) throw error;
        const { total = 0, fellBack = 0 } = slice as Partial<Record<keyof StartCounts, string>>;
        counted.total += Number(total);
        counted.fellBack += Number(fellBack);
      }
      return counted;
    },
  };
}
