/**
 * Prices usage. A total is rounded once, then its lines, so that they add up to it.
 */
import { type Exact, roundLines, scale, sum } from './exact.ts';
import { loadNodes, splitNodes } from './node-cost.ts';
import type { BillingState, PriceBook } from './price-book.ts';
import type { ProviderName } from './provider-name.ts';
import {
  type CostGroup,
  type CostLine,
  type ExactLine,
  groupValue,
  nameGroup,
  type PricedUsage,
  type PricingOptions,
  type Unpriced,
  type UsageRow,
} from './usage.ts';
import { internRates } from './usage-rates.ts';

export function priceUsage(book: PriceBook, rows: readonly UsageRow[], options: PricingOptions): PricedUsage {
  const loads = loadNodes(book, rows, options);
  const { lines, unpriced } = priceRows(rows, internRates(book, loads), options.groupBy);
  const nodes = options.withNodes ? splitNodes(book, loads, options) : [];
  const exact = [...lines, ...nodes.flatMap(({ rest }) => rest)];
  const { totalMicroUsd, microUsd } = roundLines(exact.map(({ amount }) => amount));
  return {
    totalMicroUsd,
    lines: dearestFirst(exact, microUsd),
    nodes: nodes.map(({ cost }) => cost),
    unpriced,
  };
}

/** @param microUsd of each line, rounded; there may be more of them */
export function dearestFirst(lines: readonly ExactLine[], microUsd: readonly number[]): readonly CostLine[] {
  return lines
    .map(({ kind, group, ms }, index) => ({ kind, group, microUsd: microUsd[index] ?? 0, ms }))
    .sort((a, b) => b.microUsd - a.microUsd);
}

interface Group {
  readonly group: Readonly<Record<string, string>>;
  readonly ms: Partial<Record<BillingState, number>>;
  /** Time by rate, so that the one multiplication per rate is exact and the many additions are cheap. */
  readonly msByRate: Map<Exact, number>;
}

/** What rows cost by themselves: a line for each group, before it is rounded. */
export function priceRows(
  rows: readonly UsageRow[],
  rateOf: (row: UsageRow) => Exact | undefined,
  groupBy: readonly CostGroup[],
): { readonly lines: readonly ExactLine[]; readonly unpriced: readonly Unpriced[] } {
  const [first, ...others] = groupBy;
  const groups = new Map<string, Group>();
  const unpriced = new Map<string, { provider: ProviderName; node?: string; ms: number }>();
  for (const row of rows) {
    const rate = rateOf(row);
    if (rate === undefined) {
      const name = `${row.provider}|${row.node ?? ''}`;
      const known = unpriced.get(name) ?? {
        provider: row.provider,
        ...(row.node === undefined ? {} : { node: row.node }),
        ms: 0,
      };
      known.ms += row.ms;
      unpriced.set(name, known);
    }
    const name =
      first !== undefined && others.length === 0 ? groupValue(row, first) : nameGroup(row, groupBy);
    let group = groups.get(name);
    if (group === undefined) {
      const named = Object.fromEntries(groupBy.map((by) => [by, groupValue(row, by)]));
      group = { group: named, ms: {}, msByRate: new Map() };
      groups.set(name, group);
    }
    group.ms[row.state] = (group.ms[row.state] ?? 0) + row.ms;
    if (rate) group.msByRate.set(rate, (group.msByRate.get(rate) ?? 0) + row.ms);
  }
  return {
    lines: [...groups.values()].map(({ group, ms, msByRate }) => ({
      kind: 'allocated',
      group,
      ms,
      amount: sum([...msByRate].map(([rate, time]) => scale(rate, BigInt(time)))),
    })),
    unpriced: [...unpriced.values()],
  };
}
