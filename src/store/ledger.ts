/**
 * The ledger in Redis. Transactions that change a guest keep its open interval and put closed ones on the journal
 * (`billing.ts`). Whoever holds the writer's lease moves the journal, in order, into files (for ever) and into the
 * tables of its days; an entry leaves the journal in the step that adds it to the tables, so it counts once,
 * wherever a process dies. Reading adds up tables, journal and open intervals of one instant.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { DAY_MS, dayText } from '../core/day.ts';
import type { LedgerEntry, OpenInterval } from '../core/ledger.ts';
import type { Keys } from './keys.ts';
import { type DayTables, tabulate } from './ledger-days.ts';
import { readEntry, readOpen } from './ledger-encoding.ts';
import { createSnapshotMarks, type SnapshotMarks } from './ledger-origin.ts';
import { createUsageReader, type UsageReader } from './ledger-usage.ts';
import type { Scripts } from './scripts.ts';

/** Intervals themselves, and time by guest. */
export const RAW_RETENTION_MS = 45 * DAY_MS;
/** Time by everything else: 13 months, so that a month can be held against the same one a year before. */
export const USAGE_RETENTION_MS = 397 * DAY_MS;

/** Without a folder they stay in Redis: some 3 MB of what no release here can read. */
const MAX_SET_ASIDE = 10_000;

/** Far longer than a batch takes; a writer that died keeps others out for no longer. */
const WRITER_LEASE_MS = 60_000;

export interface LedgerWriter extends SnapshotMarks {
  /** The oldest entries that are not in the tables yet. What cannot be read is set aside first. */
  oldest(limit: number): Promise<readonly LedgerEntry[]>;
  /** Adds the oldest entries, as `oldest` gave them, to the tables and takes them off the journal. */
  fold(entries: readonly LedgerEntry[], nowMs: number): Promise<void>;
  /** Adds entries that never were in this journal: those of the files. */
  restore(entries: readonly LedgerEntry[], nowMs: number): Promise<void>;
  /** Forgets all tables; the journal and open intervals stay. */
  clearTables(): Promise<void>;
  /** Forgets the first ones of those that `unreadable` tells as set aside. */
  dropSetAside(count: number): Promise<void>;
  release(): Promise<void>;
}

/** Another writer took over: nothing more is to be written. */
export class WriterLeaseLostError extends Error {
  override readonly name = 'WriterLeaseLostError';
}

export interface LedgerStore extends UsageReader {
  /** `undefined` while another process holds the lease. */
  becomeWriter(): Promise<LedgerWriter | undefined>;
  /** Those that can be read. */
  openIntervals(): Promise<readonly OpenInterval[]>;
  unreadable(): Promise<UnreadableIntervals>;
  /** Entries that wait to be written. */
  backlog(): Promise<number>;
}

/** In no amount. */
export interface UnreadableIntervals {
  /** Closed ones, as they were found, the first that was set aside first. */
  readonly setAside: readonly string[];
  /** Guests whose open interval cannot be read; their next change sets it aside. */
  readonly openOf: readonly string[];
}

export interface LedgerDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
}

export function createLedger(deps: LedgerDeps): LedgerStore {
  const { redis, keys } = deps;
  return {
    ...createUsageReader(redis, keys),
    async becomeWriter() {
      const token = randomUUID();
      const taken = await redis.set(keys.ledger.writer, `${token}:0`, 'PX', WRITER_LEASE_MS, 'NX');
      return taken === 'OK' ? createWriter(deps, token) : undefined;
    },
    async openIntervals() {
      const open = Object.values(await redis.hgetall(keys.ledger.open));
      return open.flatMap((encoded) => readOpen(encoded) ?? []);
    },
    async unreadable() {
      const open = Object.entries(await redis.hgetall(keys.ledger.open));
      return {
        setAside: await redis.lrange(keys.ledger.unreadable, 0, -1),
        openOf: open.filter(([, encoded]) => readOpen(encoded) === undefined).map(([guestId]) => guestId),
      };
    },
    backlog: () => redis.llen(keys.ledger.journal),
  };
}

function createWriter({ redis, keys, scripts }: LedgerDeps, token: string): LedgerWriter {
  const { journal, unreadable, versions, writer } = keys.ledger;
  let batch = 0;

  /** Off the journal in the step that keeps them: one that stayed would keep all behind it from being written. */
  async function setAside(texts: readonly string[]): Promise<void> {
    const move = redis.multi();
    for (const text of texts) move.rpush(unreadable, text).lrem(journal, 1, text);
    move.ltrim(unreadable, -MAX_SET_ASIDE, -1);
    await move.exec();
  }

  async function write(entries: readonly LedgerEntry[], takeOff: number, nowMs: number): Promise<void> {
    const days = tabulate(entries);
    const reply = await scripts.run(
      'fold-ledger',
      [journal, versions, writer, ...days.flatMap(({ day }) => Object.values(keys.ledger.day(dayText(day))))],
      [
        `${token}:${batch}`,
        `${token}:${batch + 1}`,
        WRITER_LEASE_MS,
        takeOff,
        JSON.stringify(days.map((tables) => encodeDay(tables, nowMs))),
      ],
    );
    // A resend by the Redis client finds the batch written; anybody else's lease says something else.
    if (reply !== 1 && (await redis.get(writer)) !== `${token}:${batch + 1}`) {
      throw new WriterLeaseLostError('another process writes the ledger now');
    }
    batch += 1;
  }

  return {
    ...createSnapshotMarks(redis, keys),
    async oldest(limit) {
      for (;;) {
        const texts = await redis.lrange(journal, 0, limit - 1);
        const entries = texts.flatMap((text) => readEntry(text) ?? []);
        if (entries.length === texts.length) return entries;
        await setAside(texts.filter((text) => readEntry(text) === undefined));
      }
    },
    async dropSetAside(count) {
      await redis.ltrim(unreadable, count, -1);
    },
    fold: (entries, nowMs) => write(entries, entries.length, nowMs),
    restore: (entries, nowMs) => write(entries, 0, nowMs),
    async clearTables() {
      const days = Object.keys(await redis.hgetall(versions));
      for (const day of days) await redis.del(...Object.values(keys.ledger.day(day)));
      // Raised, not removed, so that nobody goes on with a table that was read before.
      const raise = redis.multi();
      for (const day of days) raise.hincrby(versions, day, 1);
      await raise.exec();
    },
    async release() {
      if ((await redis.get(writer)) === `${token}:${batch}`) await redis.del(writer);
    },
  };
}

function encodeDay({ day, usage, guests, accounts, pieces }: DayTables, nowMs: number) {
  const ageMs = nowMs - (day + 1) * DAY_MS;
  return {
    day: dayText(day),
    usageMs: Math.max(0, USAGE_RETENTION_MS - ageMs),
    rawMs: Math.max(0, RAW_RETENTION_MS - ageMs),
    usage: [...usage].flatMap(([field, ms]) => [field, String(ms)]),
    guests: [...guests].flatMap(([field, ms]) => [field, String(ms)]),
    accounts: [...accounts].flat(),
    pieces: pieces.join('\n'),
  };
}
