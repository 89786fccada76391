/**
 * Reads the usage of a time: tables of whole days, pieces of days of which a part is asked for, what the journal
 * holds beyond them, and what is open. All of one instant: an entry moves from the journal into a table in one
 * step, so each counts once.
 *
 * Tables are kept in memory under their version, so a month that nobody wrote to since costs no reading.
 */
import type { Redis } from 'ioredis';
import { DAY_MS, type Day, type DayPart, dayOf, dayText, splitByDay } from '../core/day.ts';
import { accrue, type LedgerAccount } from '../core/ledger.ts';
import type { BillingState } from '../core/price-book.ts';
import type { UsageRow } from '../core/usage-cost.ts';
import type { Keys } from './keys.ts';
import { guestRows, type Piece, pieceRows, usageField, usageRows } from './ledger-days.ts';
import { readEntry, readOpen } from './ledger-encoding.ts';
import type { Fields } from './records.ts';

export interface UsageQuery {
  readonly fromMs: number;
  /** What is later than now is left out. */
  readonly toMs: number;
  readonly nowMs: number;
  /** Whether rows say which sandbox they are of; only as far back as intervals themselves are kept. */
  readonly bySandbox: boolean;
}

export interface UsageReader {
  /** Rows that are alike may come more than once: they add up. */
  usage(query: UsageQuery): Promise<readonly UsageRow[]>;
}

type Kind = 'usage' | 'guests' | 'pieces';

interface Wanted {
  readonly day: Day;
  readonly kind: Kind;
  /** What of the day is asked for. */
  readonly fromMs: number;
  readonly toMs: number;
}

interface Table {
  readonly version: string;
  readonly rows: readonly UsageRow[];
  readonly pieces: readonly Piece[];
}

/** 13 months of tables; a day of a busy fleet is some MB by guest, most are far below. */
const TABLES_IN_MEMORY = 400;
/** Someone writes every ten seconds or so; a reader that is overtaken this often reads everything at once. */
const MAX_READS = 4;

export function createUsageReader(redis: Redis, keys: Keys): UsageReader {
  const tables = new Map<string, Table>();

  function keep(name: string, table: Table): void {
    tables.delete(name);
    tables.set(name, table);
    const [oldest] = tables.keys();
    if (tables.size > TABLES_IN_MEMORY && oldest !== undefined) tables.delete(oldest);
  }

  /** One transaction: what is asked of Redis is of one instant. */
  async function read(wanted: readonly Wanted[]) {
    const { journal, open, versions } = keys.ledger;
    const multi = redis.multi().hgetall(versions).lrange(journal, 0, -1).hgetall(open);
    for (const { day, kind } of wanted) {
      const { usage, guests, accounts, pieces } = keys.ledger.day(dayText(day));
      if (kind === 'usage') multi.hgetall(usage);
      else if (kind === 'guests') multi.hgetall(guests).hgetall(accounts);
      else multi.lrange(pieces, 0, -1).hgetall(accounts);
    }
    const replies = ((await multi.exec()) ?? []).map(([error, reply]) => {
      if (error) throw error;
      return reply;
    });
    const [found, waiting, current, ...rest] = replies as [Fields, string[], Fields, ...unknown[]];
    const known: Parameters<typeof usageRows>[2] = new Map();
    for (const each of wanted) {
      const { day, kind } = each;
      const version = found[dayText(day)] ?? '0';
      if (kind === 'usage') {
        const rows = usageRows(day, rest.shift() as Fields, known);
        keep(nameOf(each), { version, rows, pieces: [] });
        continue;
      }
      const [first, accounts] = rest.splice(0, 2) as [unknown, Fields];
      const rows = kind === 'guests' ? guestRows(day, first as Fields, accounts) : [];
      const pieces = kind === 'pieces' ? pieceRows(day, first as string[], accounts) : [];
      keep(nameOf(each), { version, rows, pieces });
    }
    return { versions: found, waiting, current };
  }

  return {
    async usage(query) {
      const wanted = wantedFor(query);
      let missing: readonly Wanted[] = wanted.filter((each) => !tables.has(nameOf(each)));
      for (let reads = 1; ; reads += 1) {
        const { versions, waiting, current } = await read(missing);
        const isStale = (each: Wanted) =>
          tables.get(nameOf(each))?.version !== (versions[dayText(each.day)] ?? '0');
        missing = reads < MAX_READS ? wanted.filter(isStale) : wanted;
        if (missing.length > 0 && reads <= MAX_READS) continue;
        const known = wanted.flatMap((each) => rowsOf(tables.get(nameOf(each)), each, query));
        return [...known, ...recentRows(query, waiting, current)];
      }
    },
  };
}

function nameOf({ day, kind }: Wanted): string {
  return `${kind}|${day}`;
}

function wantedFor({ fromMs, toMs, nowMs, bySandbox }: UsageQuery): readonly Wanted[] {
  return splitByDay(fromMs, Math.min(toMs, nowMs)).map((part) => {
    const endsNow = part.toMs === nowMs && part.day === dayOf(nowMs);
    const isWhole = part.fromMs === part.day * DAY_MS && (endsNow || part.toMs === (part.day + 1) * DAY_MS);
    return { ...part, kind: isWhole ? (bySandbox ? 'guests' : 'usage') : 'pieces' };
  });
}

function rowsOf(
  table: Table | undefined,
  { kind, fromMs, toMs }: Wanted,
  { bySandbox }: UsageQuery,
): readonly UsageRow[] {
  if (table === undefined) return [];
  if (kind !== 'pieces') return table.rows;
  return clip(table.pieces, { fromMs, toMs }, bySandbox);
}

/** What is in no table yet. */
function recentRows(
  { fromMs, toMs, nowMs, bySandbox }: UsageQuery,
  waiting: readonly string[],
  current: Fields,
): readonly UsageRow[] {
  const closed = waiting.flatMap((encoded) => readEntry(encoded) ?? []);
  const open = Object.values(current)
    .flatMap((encoded) => readOpen(encoded) ?? [])
    .flatMap((interval) => accrue(interval, nowMs) ?? []);
  return clip([...closed, ...open], { fromMs, toMs: Math.min(toMs, nowMs) }, bySandbox);
}

/** Sums up by account and state first: a busy day has tens of thousands of pieces, and few sums. */
function clip(
  pieces: readonly Piece[],
  time: { readonly fromMs: number; readonly toMs: number },
  bySandbox: boolean,
): readonly UsageRow[] {
  const sums = new Map<LedgerAccount, Map<string, Mutable<UsageRow>>>();
  for (const { account, state, fromMs, toMs } of pieces) {
    for (const part of splitByDay(Math.max(fromMs, time.fromMs), Math.min(toMs, time.toMs))) {
      const ofAccount = sums.get(account) ?? new Map<string, Mutable<UsageRow>>();
      sums.set(account, ofAccount);
      const name = `${state}|${part.day}`;
      const row = ofAccount.get(name);
      if (row) row.ms += part.toMs - part.fromMs;
      else ofAccount.set(name, rowOf(account, state, part, bySandbox));
    }
  }
  return bySandbox ? [...sums.values()].flatMap((of) => [...of.values()]) : mergeAlike(sums);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function rowOf(account: LedgerAccount, state: BillingState, part: DayPart, bySandbox: boolean): UsageRow {
  const { guestId: _, sandboxId, ...dimensions } = account;
  const row = { ...dimensions, state, day: part.day, ms: part.toMs - part.fromMs };
  return bySandbox ? { ...row, sandboxId } : row;
}

/** One row for all guests that differ in nothing but their id. */
function mergeAlike(sums: ReadonlyMap<LedgerAccount, ReadonlyMap<string, UsageRow>>): readonly UsageRow[] {
  const merged = new Map<string, Mutable<UsageRow>>();
  for (const [account, ofAccount] of sums) {
    for (const [name, row] of ofAccount) {
      const field = `${usageField(account, row.state)}|${name}`;
      const known = merged.get(field);
      if (known) known.ms += row.ms;
      else merged.set(field, { ...row });
    }
  }
  return [...merged.values()];
}
