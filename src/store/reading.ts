import type { Redis } from 'ioredis';
import type { Guest } from '../core/guest.ts';
import type { Operation } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { Sandbox } from '../core/sandbox.ts';
import type { Keys } from './keys.ts';
import { type Fields, fieldsFromList, parseGuest, parseOperation, parseSandbox } from './records.ts';
import type { Scripts } from './scripts.ts';

export interface Reading {
  sandbox(id: string): Promise<Sandbox | undefined>;
  /** By our id or the provider's own. */
  sandboxByAnyId(id: string): Promise<Sandbox | undefined>;
  operation(id: string): Promise<Operation | undefined>;
  guest(id: string): Promise<Guest | undefined>;
  /** Both in one request, the operation first: the sandbox is never older than it. */
  operationAndSandbox(
    operationId: string,
    sandboxId: string,
  ): Promise<readonly [Operation | undefined, Sandbox | undefined]>;
  /** By our id, with the unsettled operations of its line in the order they run. */
  sandboxWithLine(
    id: string,
  ): Promise<{ readonly sandbox: Sandbox | undefined; readonly pending: readonly Operation[] }>;
  /** Several hashes at one moment, in one request. */
  hashes<Names extends readonly string[]>(...names: Names): Promise<{ [Index in keyof Names]: Fields }>;
  /** Unsettled operations of a sandbox, in the order they run. */
  pendingOperations(sandboxId: string): Promise<readonly Operation[]>;
  dueOperations(untilMs: number, limit: number): Promise<readonly string[]>;
  dueCondemnedGuests(untilMs: number, limit: number): Promise<readonly string[]>;
  /** Ids of a provider's guests that are not gone, the longest known first. */
  inventory(provider: ProviderName, limit: number): Promise<readonly string[]>;
  inventorySize(provider: ProviderName): Promise<number>;
}

export function createReading(redis: Redis, keys: Keys, scripts: Scripts): Reading {
  async function record<T>(key: string, parse: (fields: Fields) => T): Promise<T | undefined> {
    return parsed(await redis.hgetall(key), parse);
  }

  /** Many records in one round trip; those that are gone are left out. */
  async function records<T>(recordKeys: readonly string[], parse: (fields: Fields) => T): Promise<T[]> {
    if (recordKeys.length === 0) return [];
    const pipeline = redis.pipeline();
    for (const key of recordKeys) pipeline.hgetall(key);
    const replies = (await pipeline.exec()) ?? [];
    return replies.flatMap(([error, fields]) => {
      if (error) throw error;
      return parsed(fields as Fields, parse) ?? [];
    });
  }

  /** Each write to a socket costs as much as what it asks for. */
  async function together<Names extends readonly string[]>(...names: Names) {
    return (await scripts.run('read-together', names, [])) as { [Index in keyof Names]: string[] };
  }

  const sandbox = (id: string) => record(keys.sandbox(id), parseSandbox);
  const operations = (ids: readonly string[]) =>
    records(
      ids.map((id) => keys.operation(id)),
      parseOperation,
    );

  return {
    sandbox,
    operation: (id) => record(keys.operation(id), parseOperation),
    guest: (id) => record(keys.guest(id), parseGuest),

    async operationAndSandbox(operationId, sandboxId) {
      const [operation, itsSandbox] = await together(keys.operation(operationId), keys.sandbox(sandboxId));
      return [
        parsed(fieldsFromList(operation), parseOperation),
        parsed(fieldsFromList(itsSandbox), parseSandbox),
      ];
    },

    async sandboxWithLine(id) {
      const key = keys.sandbox(id);
      const [fields, line] = await together(key, keys.pending(key));
      return { sandbox: parsed(fieldsFromList(fields), parseSandbox), pending: await operations(line) };
    },

    async sandboxByAnyId(id) {
      const direct = await sandbox(id);
      if (direct) return direct;
      const owner = await redis.get(keys.native(id));
      return owner === null ? undefined : sandbox(owner);
    },

    async hashes(...names) {
      const answers = await together(...names);
      return answers.map(fieldsFromList) as { [Index in keyof typeof names]: Fields };
    },

    async pendingOperations(sandboxId) {
      return operations(await redis.lrange(keys.pending(keys.sandbox(sandboxId)), 0, -1));
    },

    dueOperations: (untilMs, limit) =>
      redis.zrangebyscore(keys.operationsDue, '-inf', untilMs, 'LIMIT', 0, limit),
    dueCondemnedGuests: (untilMs, limit) =>
      redis.zrangebyscore(keys.guestsCondemned, '-inf', untilMs, 'LIMIT', 0, limit),
    inventory: (provider, limit) => redis.zrange(keys.guestsOf(provider), 0, limit - 1),
    inventorySize: (provider) => redis.zcard(keys.guestsOf(provider)),
  };
}

/** A record that is not there has no fields. */
function parsed<T>(fields: Fields, parse: (fields: Fields) => T): T | undefined {
  return Object.keys(fields).length === 0 ? undefined : parse(fields);
}
