/**
 * Reads the usage of a time: tables of whole days, pieces of days of which a part is asked for, what the journal
 * holds beyond them, and what is open. All of one instant: an entry moves from the journal into a table in one
 * step, so each counts once.
 *
 * Tables are kept in memory under their version, so a month that nobody wrote to since costs no reading.
 */
import type { Redis } from 'ioredis';
import { DAY_MS, type Day, dayOf, dayText, splitByDay } from '../core/day.ts';
import { accrue } from '../core/ledger.ts';
import { mergeUsage } from '../core/merge-usage.ts';
import { rowsByKind, rowsBySandbox, type SandboxUsage, type UsageColumns } from '../core/sandbox-usage.ts';
import type { CostGroup, UsageRow } from '../core/usage.ts';
import type { Keys } from './keys.ts';
import {
  clipPieces,
  createNames,
  entryColumns,
  guestColumns,
  type Names,
  type PieceColumns,
  pieceColumns,
} from './ledger-columns.ts';
import { usageRows } from './ledger-days.ts';
import { readEntry, readOpen } from './ledger-encoding.ts';
import type { Fields } from './records.ts';

export interface UsageTime {
  readonly fromMs: number;
  /** What is later than now is left out. */
  readonly toMs: number;
  readonly nowMs: number;
}

export interface UsageQuery extends UsageTime {
  /** Whether rows say which sandbox they are of; only as far back as intervals themselves are kept. */
  readonly bySandbox: boolean;
  /** Rows that differ in none of these, and cost the same, come as one. Absent: as they are kept. */
  readonly differBy?: readonly CostGroup[];
}

export interface UsageReader {
  /** Rows that are alike may come more than once: they add up. */
  usage(query: UsageQuery): Promise<readonly UsageRow[]>;
  /** The same by sandbox, for many. */
  sandboxUsage(time: UsageTime): Promise<SandboxUsage>;
}

interface Wanted {
  readonly day: Day;
  readonly kind: Table['kind'];
  /** What of the day is asked for. */
  readonly fromMs: number;
  readonly toMs: number;
}

type Table =
  | {
      readonly kind: 'usage';
      readonly version: string;
      readonly rows: readonly UsageRow[];
      /** By what they differ: the same questions come again and again. */
      readonly merged: Map<string, readonly UsageRow[]>;
    }
  | { readonly kind: 'guests'; readonly version: string; readonly columns: UsageColumns }
  | { readonly kind: 'pieces'; readonly version: string; readonly pieces: PieceColumns };

/** Tables and the names of sandboxes that their columns count by. */
interface Memory {
  readonly tables: Map<string, Table>;
  readonly sandboxes: Names;
}

/** 13 months of tables; a day of a busy fleet is half a MB by guest, most are far below. */
const TABLES_IN_MEMORY = 400;
/** Some 100 MB of names: then all is read anew, and those of old days are forgotten. */
const SANDBOXES_IN_MEMORY = 1_000_000;
/** Ways to group that are kept for each day; each is smaller than the day by far. */
const QUESTIONS_IN_MEMORY = 8;
/** A busy day by guest is 3 MB: so neither Redis nor this process is kept from others for long. */
const TABLES_AT_ONCE = 2;
/** Someone writes every ten seconds or so; a reader that is overtaken this often reads everything at once. */
const MAX_READS = 4;

export function createUsageReader(redis: Redis, keys: Keys): UsageReader {
  let memory: Memory = { tables: new Map(), sandboxes: createNames() };

  /** One transaction: what is asked of Redis is of one instant. */
  async function read(wanted: readonly Wanted[], { tables, sandboxes }: Memory) {
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
    const next = <T>() => rest.shift() as T;
    for (const each of wanted) {
      const { day, kind } = each;
      const version = found[dayText(day)] ?? '0';
      keep(tables, nameOf(each), makeTable({ day, kind, version, next, known, sandboxes }));
    }
    return { versions: found, waiting, current };
  }

  /** What is asked for, of one instant: tables that are whole, and what is in no table yet. */
  async function collect(query: UsageQuery) {
    if (memory.sandboxes.list.length > SANDBOXES_IN_MEMORY) {
      memory = { tables: new Map(), sandboxes: createNames() };
    }
    const { tables, sandboxes } = memory;
    const wanted = wantedFor(query);
    let missing: readonly Wanted[] = wanted.filter((each) => !tables.has(nameOf(each)));
    for (; missing.length > TABLES_AT_ONCE; missing = missing.slice(TABLES_AT_ONCE)) {
      await read(missing.slice(0, TABLES_AT_ONCE), { tables, sandboxes });
    }
    for (let reads = 1; ; reads += 1) {
      const { versions, waiting, current } = await read(missing, { tables, sandboxes });
      const isStale = (each: Wanted) =>
        tables.get(nameOf(each))?.version !== (versions[dayText(each.day)] ?? '0');
      missing = reads < MAX_READS ? wanted.filter(isStale) : wanted;
      if (missing.length > 0 && reads <= MAX_READS) continue;
      const found = wanted.flatMap((each) => {
        const table = tables.get(nameOf(each));
        return table ? [{ ...each, table }] : [];
      });
      return { found, recent: recentColumns(query, waiting, current, sandboxes), sandboxes };
    }
  }

  async function sandboxUsage(time: UsageTime): Promise<SandboxUsage> {
    const { found, recent, sandboxes } = await collect({ ...time, bySandbox: true });
    const tables = found.flatMap(({ table, fromMs, toMs }) => {
      if (table.kind === 'usage') return [];
      return [table.kind === 'guests' ? table.columns : clipPieces(table.pieces, { fromMs, toMs })];
    });
    return { sandboxIds: sandboxes.list, tables: [...tables, recent] };
  }

  return {
    sandboxUsage,
    async usage(query) {
      if (query.bySandbox) return rowsBySandbox(await sandboxUsage(query));
      const { found, recent } = await collect(query);
      const rows = found.flatMap(({ table, fromMs, toMs }) => {
        if (table.kind === 'usage') return query.differBy ? merge(table, query.differBy) : table.rows;
        return table.kind === 'pieces' ? rowsByKind(clipPieces(table.pieces, { fromMs, toMs })) : [];
      });
      return [...rows, ...rowsByKind(recent)];
    },
  };
}

function merge({ rows, merged }: Table & { kind: 'usage' }, differBy: readonly CostGroup[]) {
  const name = [...differBy].sort().join('|');
  const known = merged.get(name);
  if (known !== undefined) return known;
  if (merged.size >= QUESTIONS_IN_MEMORY) merged.clear();
  const fewer = mergeUsage(rows, differBy);
  merged.set(name, fewer);
  return fewer;
}

function keep(tables: Map<string, Table>, name: string, table: Table): void {
  tables.delete(name);
  tables.set(name, table);
  const [oldest] = tables.keys();
  if (tables.size > TABLES_IN_MEMORY && oldest !== undefined) tables.delete(oldest);
}

interface TableSource extends Pick<Wanted, 'day' | 'kind'> {
  readonly version: string;
  /** What Redis answered, in the order in which it was asked. */
  readonly next: <T>() => T;
  readonly known: Parameters<typeof usageRows>[2];
  readonly sandboxes: Names;
}

function makeTable({ day, kind, version, next, known, sandboxes }: TableSource): Table {
  switch (kind) {
    case 'usage':
      return { kind, version, rows: usageRows(day, next<Fields>(), known), merged: new Map() };
    case 'guests': {
      const tables = { guests: next<Fields>(), accounts: next<Fields>() };
      return { kind, version, columns: guestColumns(day, tables, sandboxes) };
    }
    case 'pieces': {
      const tables = { blobs: next<readonly string[]>(), accounts: next<Fields>() };
      return { kind, version, pieces: pieceColumns(day, tables, sandboxes) };
    }
  }
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

function recentColumns(
  { fromMs, toMs, nowMs }: UsageTime,
  waiting: readonly string[],
  current: Fields,
  sandboxes: Names,
): UsageColumns {
  const closed = waiting.flatMap((encoded) => readEntry(encoded) ?? []);
  const open = Object.values(current)
    .flatMap((encoded) => readOpen(encoded) ?? [])
    .flatMap((interval) => accrue(interval, nowMs) ?? []);
  return entryColumns([...closed, ...open], { fromMs, toMs: Math.min(toMs, nowMs) }, sandboxes);
}
