/**
 * Prices usage by sandbox, as `priceUsage` would, and tells the dearest lines alone. Which those are is found in
 * floats, which are right to far below a micro-dollar; every amount that is told is exact, and so is the total.
 */
import { type Exact, roundLines, subtract, sum } from './exact.ts';
import { loadNodes, splitNodes } from './node-cost.ts';
import type { PriceBook } from './price-book.ts';
import { type SandboxUsage, sumByKind, type UsageColumns, type UsageKind } from './sandbox-usage.ts';
import {
  type CostGroup,
  type ExactLine,
  nameGroup,
  type PricedUsage,
  type PricingOptions,
  type UsageRow,
} from './usage.ts';
import { dearestFirst, priceRows } from './usage-cost.ts';
import { internRates } from './usage-rates.ts';

export interface SandboxPricingOptions extends PricingOptions {
  /** So many lines of sandboxes are told. */
  readonly limit: number;
  /** Usage of other teams is left out. */
  readonly teamId?: string | undefined;
}

export interface PricedSandboxes extends PricedUsage {
  /** Lines that are not told; they and `lines` add up to the total. */
  readonly beyond: { readonly lines: number; readonly microUsd: number };
}

/** Tables that are kept in memory come again with every question. */
const sumsByKind = new WeakMap<UsageColumns, readonly UsageRow[]>();

export function priceSandboxes(
  book: PriceBook,
  { sandboxIds, tables }: SandboxUsage,
  options: SandboxPricingOptions,
): PricedSandboxes {
  const { teamId, groupBy, limit, withNodes } = options;
  const isWanted = (row: UsageRow) => teamId === undefined || row.teamId === teamId;
  const rows = tables.flatMap(sumsOf).filter((row) => row.ms > 0 && isWanted(row));
  const loads = loadNodes(book, rows, options);
  const rateOf = internRates(book, loads);
  const { lines: whole, unpriced } = priceRows(rows, rateOf, []);
  const nodes = withNodes ? splitNodes(book, loads, options) : [];

  const keyOf = createKeys(sandboxIds.length, groupBy);
  const parts = tables.map((table): Part => {
    const kinds = sumsOf(table);
    const rates = kinds.map((row) => (isWanted(row) ? toUsd(rateOf(row)) : Number.NaN));
    return { ...table, usdPerMs: Float64Array.from(rates), firstKey: Float64Array.from(kinds, keyOf.first) };
  });
  const sums = sumUp(parts, keyOf.areDense ? denseSums(sandboxIds.length) : sparseSums());
  const told = priceRows(rowsOf(parts, sandboxIds, dearest(sums, limit)), rateOf, groupBy).lines;
  const untold = sums.size() - told.length;
  const total = (lines: readonly ExactLine[]) => sum(lines.map(({ amount }) => amount));
  const exact = [...told, ...nodes.flatMap(({ rest }) => rest)];
  const amounts = exact.map(({ amount }) => amount);
  if (untold > 0) amounts.push(subtract(total(whole), total(told)));
  const { totalMicroUsd, microUsd } = roundLines(amounts);
  return {
    totalMicroUsd,
    lines: dearestFirst(exact, microUsd),
    nodes: nodes.map(({ cost }) => cost),
    unpriced,
    beyond: { lines: untold, microUsd: microUsd[exact.length] ?? 0 },
  };
}

function sumsOf(table: UsageColumns): readonly UsageRow[] {
  const rows = sumsByKind.get(table) ?? sumByKind(table);
  sumsByKind.set(table, rows);
  return rows;
}

interface Part extends UsageColumns {
  /** By kind; not a number: it is not asked for. */
  readonly usdPerMs: Float64Array;
  /** By kind: a line's key is this and its sandbox. */
  readonly firstKey: Float64Array;
}

/** A number for each line: whatever else it is grouped by, and the sandbox. Below 2^53 for a million sandboxes. */
function createKeys(sandboxes: number, groupBy: readonly CostGroup[]) {
  const others = groupBy.filter((by) => by !== 'sandbox');
  const names = new Map<string, number>();
  return {
    areDense: others.length === 0,
    first(kind: UsageRow): number {
      const name = nameGroup(kind, others);
      const index = names.get(name) ?? names.size;
      names.set(name, index);
      return index * sandboxes;
    },
  };
}

interface Sums {
  add(key: number, usd: number): void;
  size(): number;
  each(visit: (key: number, usd: number) => void): void;
}

function denseSums(length: number): Sums {
  const usd = new Float64Array(length).fill(Number.NaN);
  let size = 0;
  return {
    add(key, more) {
      const known = usd[key] as number;
      if (Number.isNaN(known)) size += 1;
      usd[key] = Number.isNaN(known) ? more : known + more;
    },
    size: () => size,
    each(visit) {
      for (const [key, each] of usd.entries()) if (!Number.isNaN(each)) visit(key, each);
    },
  };
}

function sparseSums(): Sums {
  const usd = new Map<number, number>();
  return {
    add: (key, more) => usd.set(key, (usd.get(key) ?? 0) + more),
    size: () => usd.size,
    each(visit) {
      for (const [key, each] of usd) visit(key, each);
    },
  };
}

function sumUp(parts: readonly Part[], sums: Sums): Sums {
  for (const { kind, sandbox, ms, usdPerMs, firstKey } of parts) {
    for (let row = 0; row < kind.length; row += 1) {
      const of = kind[row] as number;
      const usd = (usdPerMs[of] as number) * (ms[row] as number);
      if (!Number.isNaN(usd)) sums.add((firstKey[of] as number) + (sandbox[row] as number), usd);
    }
  }
  return sums;
}

function dearest(sums: Sums, limit: number): ReadonlySet<number> {
  let best: { readonly key: number; readonly usd: number }[] = [];
  let floor = Number.NEGATIVE_INFINITY;
  const shrink = () => {
    best = best.sort((a, b) => b.usd - a.usd || a.key - b.key).slice(0, limit);
    floor = best.length === limit ? (best.at(-1)?.usd ?? floor) : floor;
  };
  sums.each((key, usd) => {
    if (usd <= floor) return;
    best.push({ key, usd });
    // Sorting now and then is cheaper than keeping them in order, whatever order they come in.
    if (best.length >= 2 * limit) shrink();
  });
  shrink();
  return new Set(best.map(({ key }) => key));
}

function rowsOf(
  parts: readonly Part[],
  sandboxIds: readonly string[],
  keys: ReadonlySet<number>,
): readonly UsageRow[] {
  const rows: UsageRow[] = [];
  // Asked of every row, and far cheaper than whether its line is among them.
  const isTold = new Uint8Array(sandboxIds.length);
  for (const key of keys) isTold[key % sandboxIds.length] = 1;
  for (const { kinds, kind, sandbox, ms, usdPerMs, firstKey } of parts) {
    for (let row = 0; row < kind.length; row += 1) {
      const whose = sandbox[row] as number;
      if (isTold[whose] === 0) continue;
      const of = kind[row] as number;
      if (Number.isNaN(usdPerMs[of]) || !keys.has((firstKey[of] as number) + whose)) continue;
      const sandboxId = sandboxIds[whose] as string;
      rows.push({ ...(kinds[of] as UsageKind), sandboxId, ms: ms[row] as number });
    }
  }
  return rows;
}

function toUsd(rate: Exact | undefined): number {
  return rate === undefined ? 0 : Number(rate.numerator) / Number(rate.denominator);
}
