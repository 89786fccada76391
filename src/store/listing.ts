/**
 * Listings, newest first, with filters and a bounded amount of work per page: a page that finds little still
 * ends after `MAX_SCAN` records and hands out a cursor to go on from.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { HistoryEntry } from '../core/events.ts';
import { ENDED_STATES, matchesFilter, type SandboxFilter } from '../core/listing.ts';
import type { Operation, OperationState } from '../core/operation.ts';
import type { Sandbox } from '../core/sandbox.ts';
import type { Keys } from './keys.ts';
import { type Fields, parseOperation, parseSandbox } from './records.ts';

/** One page holds at most this many. */
export const MAX_PAGE = 200;
/** Records read for one page, in batches of `MAX_PAGE`: some 5 MB, which Redis hands over in milliseconds. */
const MAX_SCAN = 1_000;

export interface Page<T> {
  readonly items: readonly T[];
  /** Pass it to get the next page; absent on the last one. */
  readonly cursor?: string;
}

export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string;
}

export interface Listing {
  sandboxes(filter: SandboxFilter, page: PageRequest): Promise<Page<Sandbox>>;
  operations(
    filter: { readonly states: readonly OperationState[] },
    page: PageRequest,
    isShown?: (operation: Operation) => Promise<boolean>,
  ): Promise<Page<Operation>>;
  /** Newest first. */
  history(sandboxId: string): Promise<readonly HistoryEntry[]>;
}

/** A cursor names the index, and the place in it by score and member, which outlives the member itself. */
const CURSOR = /^(\d)~(\d{1,16})~([A-Za-z0-9-]{1,64})$/;

export function isCursor(text: string): boolean {
  return CURSOR.test(text);
}

const historyEntry = z.object({
  type: z.string(),
  atMs: z.number(),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

export function createListing(redis: Redis, keys: Keys): Listing {
  return {
    sandboxes(filter, page) {
      const ended = filter.states.some((state) => ENDED_STATES.includes(state));
      const current = filter.states.some((state) => !ENDED_STATES.includes(state));
      const indexes = [...(current ? [keys.sandboxesCurrent] : []), ...(ended ? [keys.sandboxesEnded] : [])];
      const isShown = (sandbox: Sandbox) => Promise.resolve(matchesFilter(sandbox, filter));
      return walk(redis, { indexes, keyOf: keys.sandbox, parse: parseSandbox, isShown }, page);
    },

    operations({ states }, page, isShown = () => Promise.resolve(true)) {
      const matches = async (operation: Operation) =>
        states.includes(operation.state) && (await isShown(operation));
      const indexes = [keys.operationsRecent];
      return walk(redis, { indexes, keyOf: keys.operation, parse: parseOperation, isShown: matches }, page);
    },

    async history(sandboxId) {
      const lines = await redis.lrange(keys.history(sandboxId), 0, -1);
      return lines.map((line) => historyEntry.parse(JSON.parse(line))).reverse();
    },
  };
}

interface Walk<T> {
  readonly indexes: readonly string[];
  readonly keyOf: (id: string) => string;
  readonly parse: (fields: Fields) => T;
  readonly isShown: (item: T) => Promise<boolean>;
}

async function walk<T>(redis: Redis, plan: Walk<T>, { limit, cursor }: PageRequest): Promise<Page<T>> {
  const items: T[] = [];
  let place = startOf(cursor);
  let scanned = 0;
  while (place.index < plan.indexes.length) {
    const index = plan.indexes[place.index] as string;
    const { entries, isLast } = await entriesAfter(redis, index, place);
    const records = await readRecords(redis, entries, plan);
    for (const [at, { id, score }] of entries.entries()) {
      const record = records[at];
      place = { index: place.index, score, id };
      scanned += 1;
      if (record !== undefined && (await plan.isShown(record))) items.push(record);
      if (items.length < limit) continue;
      const isEnd = isLast && at === entries.length - 1 && place.index === plan.indexes.length - 1;
      return isEnd ? { items } : { items, cursor: formatCursor(place) };
    }
    if (isLast) place = { index: place.index + 1 };
    else if (scanned >= MAX_SCAN) return { items, cursor: formatCursor(place) };
  }
  return { items };
}

interface Place {
  readonly index: number;
  /** The entry that was looked at last; absent: begin at the newest. */
  readonly score?: number;
  readonly id?: string;
}

function startOf(cursor: string | undefined): Place {
  const [, index, score, id] = CURSOR.exec(cursor ?? '') ?? [];
  if (index === undefined || score === undefined || id === undefined) return { index: 0 };
  return { index: Number(index), score: Number(score), id };
}

function formatCursor({ index, score = 0, id = '' }: Place): string {
  return `${index}~${score}~${id}`;
}

interface Entry {
  readonly id: string;
  readonly score: number;
}

interface Batch {
  readonly entries: readonly Entry[];
  /** Nothing comes after these. */
  readonly isLast: boolean;
}

/** The next entries of an index after a place, whether or not the entry at that place is still there. */
async function entriesAfter(redis: Redis, index: string, { score, id }: Place): Promise<Batch> {
  let from = 0;
  if (score !== undefined && id !== undefined) {
    const rank = await redis.zrevrank(index, id);
    from = rank === null ? await redis.zcount(index, `(${score}`, '+inf') : rank + 1;
  }
  const flat = await redis.zrevrange(index, from, from + MAX_PAGE - 1, 'WITHSCORES');
  const entries: Entry[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    entries.push({ id: flat[at] as string, score: Number(flat[at + 1]) });
  }
  // When the entry at the place has gone, others of its millisecond may have been shown before it.
  const notShown = entries.filter((entry) => entry.score !== score || id === undefined || entry.id < id);
  return { entries: notShown, isLast: entries.length < MAX_PAGE };
}

/** In one round trip; `undefined` for those that are gone. */
async function readRecords<T>(
  redis: Redis,
  entries: readonly Entry[],
  { keyOf, parse }: Walk<T>,
): Promise<readonly (T | undefined)[]> {
  if (entries.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const { id } of entries) pipeline.hgetall(keyOf(id));
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, fields]) => {
    if (error) throw error;
    return Object.keys(fields as Fields).length === 0 ? undefined : parse(fields as Fields);
  });
}
