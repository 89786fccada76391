import type { Redis } from 'ioredis';
import type { Guest } from '../core/guest.ts';
import type { Operation } from '../core/operation.ts';
import type { Sandbox } from '../core/sandbox.ts';
import type { Keys } from './keys.ts';
import { type Fields, parseGuest, parseOperation, parseSandbox } from './records.ts';

/** One page of a listing reads at most this many records in one round trip. */
export const MAX_PAGE = 200;

export interface SandboxPage {
  readonly sandboxes: readonly Sandbox[];
  /** Pass it to get the next page; absent on the last one. */
  readonly cursor?: string;
}

export interface Reading {
  sandbox(id: string): Promise<Sandbox | undefined>;
  /** By our id or the provider's own. */
  sandboxByAnyId(id: string): Promise<Sandbox | undefined>;
  operation(id: string): Promise<Operation | undefined>;
  guest(id: string): Promise<Guest | undefined>;
  /** Unsettled operations of a sandbox, in the order they run. */
  pendingOperations(sandboxId: string): Promise<readonly Operation[]>;
  /** Newest first. Ended sandboxes are kept apart, so that years of history cost a listing nothing. */
  listSandboxes(options: {
    readonly ended?: boolean;
    readonly limit?: number;
    readonly cursor?: string;
  }): Promise<SandboxPage>;
  dueOperations(untilMs: number, limit: number): Promise<readonly string[]>;
  dueCondemnedGuests(untilMs: number, limit: number): Promise<readonly string[]>;
}

export function createReading(redis: Redis, keys: Keys): Reading {
  async function record<T>(key: string, parse: (fields: Fields) => T): Promise<T | undefined> {
    const fields = await redis.hgetall(key);
    return Object.keys(fields).length === 0 ? undefined : parse(fields);
  }

  /** Many records in one round trip; those that are gone are left out. */
  async function records<T>(recordKeys: readonly string[], parse: (fields: Fields) => T): Promise<T[]> {
    if (recordKeys.length === 0) return [];
    const pipeline = redis.pipeline();
    for (const key of recordKeys) pipeline.hgetall(key);
    const replies = (await pipeline.exec()) ?? [];
    return replies.flatMap(([error, fields]) => {
      if (error) throw error;
      return Object.keys(fields as Fields).length === 0 ? [] : [parse(fields as Fields)];
    });
  }

  const sandbox = (id: string) => record(keys.sandbox(id), parseSandbox);

  return {
    sandbox,
    operation: (id) => record(keys.operation(id), parseOperation),
    guest: (id) => record(keys.guest(id), parseGuest),

    async sandboxByAnyId(id) {
      const direct = await sandbox(id);
      if (direct) return direct;
      const owner = await redis.get(keys.native(id));
      return owner === null ? undefined : sandbox(owner);
    },

    async pendingOperations(sandboxId) {
      const ids = await redis.lrange(keys.pending(keys.sandbox(sandboxId)), 0, -1);
      return records(
        ids.map((id) => keys.operation(id)),
        parseOperation,
      );
    },

    async listSandboxes({ ended = false, limit = 50, cursor }) {
      const size = Math.max(1, Math.min(limit, MAX_PAGE));
      const index = ended ? keys.sandboxesEnded : keys.sandboxesCurrent;
      const rank = cursor === undefined ? -1 : await redis.zrevrank(index, cursor);
      // A cursor whose sandbox left the index meanwhile ends the listing: there is nothing older to show.
      if (rank === null) return { sandboxes: [] };
      const ids = await redis.zrevrange(index, rank + 1, rank + size);
      const sandboxes = await records(
        ids.map((id) => keys.sandbox(id)),
        parseSandbox,
      );
      const last = ids.at(-1);
      return ids.length < size || last === undefined ? { sandboxes } : { sandboxes, cursor: last };
    },

    dueOperations: (untilMs, limit) =>
      redis.zrangebyscore(keys.operationsDue, '-inf', untilMs, 'LIMIT', 0, limit),
    dueCondemnedGuests: (untilMs, limit) =>
      redis.zrangebyscore(keys.guestsCondemned, '-inf', untilMs, 'LIMIT', 0, limit),
  };
}
