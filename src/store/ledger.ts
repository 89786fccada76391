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
import { decodeEntry, decodeOpen } from './ledger-encoding.ts';
import { createSnapshotMarks, type SnapshotMarks } from './ledger-origin.ts';
import { createUsageReader, type UsageReader } from './ledger-usage.ts';
import type { Scripts } from './scripts.ts';

/** Intervals themselves, and time by guest. */
export const RAW_RETENTION_MS = 45 * DAY_MS;
/** Time by everything else: 13 months, so that a month can be held against the same one a year before. */
export const USAGE_RETENTION_MS = 397 * DAY_MS;

/** Far longer than a batch takes; a writer that died keeps others out for no longer. */
const WRITER_LEASE_MS = 60_000;

export interface LedgerWriter extends SnapshotMarks {
  /** The oldest entries that are not in the tables yet. */
  oldest(limit: number): Promise<readonly LedgerEntry[]>;
  /** Adds the oldest entries, as `oldest` gave them, to the tables and takes them off the journal. */
  fold(entries: readonly LedgerEntry[], nowMs: number): Promise<void>;
  /** Adds entries that never were in this journal: those of the files. */
  restore(entries: readonly LedgerEntry[], nowMs: number): Promise<void>;
  /** Forgets all tables; the journal and open intervals stay. */
  clearTables(): Promise<void>;
  release(): Promise<void>;
}

/** Another writer took over: nothing more is to be written. */
export class WriterLeaseLostError extends Error {
  override readonly name = 'WriterLeaseLostError';
}

export interface LedgerStore extends UsageReader {
  /** `undefined` while another process holds the lease. */
  becomeWriter(): Promise<LedgerWriter | undefined>;
  openIntervals(): Promise<readonly OpenInterval[]>;
  /** Entries that wait to be written. */
  backlog(): Promise<number>;
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
      return Object.values(await redis.hgetall(keys.ledger.open)).map(decodeOpen);
    },
    backlog: () => redis.llen(keys.ledger.journal),
  };
}

function createWriter({ redis, keys, scripts }: LedgerDeps, token: string): LedgerWriter {
  const { journal, versions, writer } = keys.ledger;
  let batch = 0;

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
      return (await redis.lrange(journal, 0, limit - 1)).map(decodeEntry);
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
