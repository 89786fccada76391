/** What Redis knows of the ledger that it holds, for `core/ledger-origin.ts`. */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type LedgerOrigin, mayReplaceSnapshot } from '../core/ledger-origin.ts';
import type { Keys } from './keys.ts';

/** For the holder of the writer's lease alone. */
export interface SnapshotMarks {
  /**
   * What the next note of open intervals is marked with. `undefined`: the one that was found is of a ledger that this
   * Redis does not hold, and none may be written from now on, until `takeOver`.
   */
  nextMark(found: { readonly origin?: LedgerOrigin } | undefined): Promise<LedgerOrigin | undefined>;
  /** The same once everything in the folder counts in this Redis. */
  takeOver(): Promise<LedgerOrigin>;
}

export function createSnapshotMarks(redis: Redis, { ledger }: Keys): SnapshotMarks {
  /** Counted before the note is written, so that a crash in between leaves Redis ahead of the folder. */
  async function count(): Promise<LedgerOrigin> {
    await redis.hsetnx(ledger.origin, 'id', randomUUID());
    const flush = await redis.hincrby(ledger.origin, 'flushes', 1);
    return { id: (await redis.hget(ledger.origin, 'id')) ?? '', flush };
  }

  return {
    async nextMark(found) {
      const { id, flushes, refused } = await redis.hgetall(ledger.origin);
      const known = { id, flushes: Number(flushes ?? 0), isRefused: refused !== undefined };
      const hasTables = (await redis.exists(ledger.versions)) === 1;
      if (mayReplaceSnapshot(found, { ...known, hasTables })) return await count();
      await redis.hset(ledger.origin, 'refused', 1);
      return undefined;
    },
    async takeOver() {
      await redis.hdel(ledger.origin, 'refused');
      return await count();
    },
  };
}
