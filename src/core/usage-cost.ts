/**
 * Prices usage: how long guests of each size were in each state, by day. Usage is kept in milliseconds, so that
 * one history can be priced by any book.
 *
 * A node's cost is split into what its guests are entitled to (allocated), what is kept free for the host and for
 * resumes (shared), and the rest (idle). The three add up to the cost of the node exactly. On a day on which guests
 * were entitled to more memory than the node has, they share its cost by what they were entitled to.
 */
import { DAY_MS, type Day, dayText, splitByDay } from './day.ts';
import { add, type Exact, roundLines, scale, subtract, sum } from './exact.ts';
import { ratePerMs } from './ledger.ts';
import {
  type BilledSize,
  type BillingState,
  holdsMemory,
  isPricedOn,
  type NodePrice,
  nodeCostPerDay,
  nodePriceOn,
  nodeRatePerMs,
  PRICED_BY,
  type PriceBook,
} from './price-book.ts';
import type { ProviderName } from './provider-name.ts';

/** Time of guests that are alike, on one day. */
export interface UsageRow {
  readonly day: Day;
  readonly ms: number;
  readonly state: BillingState;
  readonly size: BilledSize;
  readonly provider: ProviderName;
  readonly failureDomain: string;
  readonly node?: string;
  readonly teamId?: string;
  readonly userId?: string;
  readonly preset?: string;
  readonly meantFor?: ProviderName;
  readonly sandboxId?: string;
}

/** `meantFor`: the provider that a start fell back from; `none` where it did not. */
export const COST_GROUPS = [
  'provider',
  'team',
  'preset',
  'user',
  'sandbox',
  'state',
  'day',
  'meantFor',
] as const;
export type CostGroup = (typeof COST_GROUPS)[number];

/** `allocated` to guests; of a node, what was `idle` and what is `shared` by all; `other`: no part of sandboxes. */
export type CostKind = 'allocated' | 'idle' | 'shared' | 'other';

export interface CostLine {
  readonly kind: CostKind;
  /** By name of the group: `{ provider: 'morph' }`. Idle and shared lines have their `node`, and their day. */
  readonly group: Readonly<Record<string, string>>;
  readonly microUsd: number;
  /** Time of guests by state, for allocated lines. */
  readonly ms: Readonly<Partial<Record<BillingState, number>>>;
}

/** Time of a line in the states that count. */
export function timeIn(ms: CostLine['ms'], counts: (state: BillingState) => boolean): number {
  return (Object.keys(ms) as BillingState[])
    .filter(counts)
    .reduce((total, state) => total + (ms[state] ?? 0), 0);
}

export interface NodeCost {
  readonly node: string;
  readonly failureDomain?: string;
  readonly costMicroUsd: number;
  readonly allocatedMicroUsd: number;
  readonly idleMicroUsd: number;
  readonly sharedMicroUsd: number;
}

/** Usage that the book has no price for; it is in no amount. */
export interface Unpriced {
  readonly provider: ProviderName;
  readonly node?: string;
  readonly ms: number;
}

export interface PricedUsage {
  readonly totalMicroUsd: number;
  /** Dearest first; they add up to the total. */
  readonly lines: readonly CostLine[];
  readonly nodes: readonly NodeCost[];
  readonly unpriced: readonly Unpriced[];
}

export interface PricingOptions {
  /** What the lines are by; none: one line for everything. */
  readonly groupBy: readonly CostGroup[];
  /** The time that the usage was taken from: nodes cost as long as it lasts. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Whether what nodes cost beyond their guests belongs into it; not where only one team's usage is given. */
  readonly withNodes: boolean;
}

interface ExactLine {
  readonly kind: CostKind;
  readonly group: Readonly<Record<string, string>>;
  readonly amount: Exact;
  readonly ms: Readonly<Partial<Record<BillingState, number>>>;
}

export function priceUsage(book: PriceBook, rows: readonly UsageRow[], options: PricingOptions): PricedUsage {
  const loads = loadNodes(book, rows, options);
  const { lines, unpriced } = allocate(book, rows, loads, options.groupBy);
  const nodes = options.withNodes ? splitNodes(book, loads, options) : [];
  const exact = [...lines, ...nodes.flatMap(({ rest }) => rest)];
  const { totalMicroUsd, microUsd } = roundLines(exact.map(({ amount }) => amount));
  return {
    totalMicroUsd,
    lines: exact
      .map(({ kind, group, ms }, index) => ({ kind, group, microUsd: microUsd[index] ?? 0, ms }))
      .sort((a, b) => b.microUsd - a.microUsd),
    nodes: nodes.map(({ cost }) => cost),
    unpriced,
  };
}

interface NodeLoads {
  /** MiB·ms that guests were entitled to. Below 2^53 up to 100 TiB a node. */
  of(price: NodePrice, day: Day): number;
  /** MiB·ms that the node had in the time that is asked about. */
  capacityOf(price: NodePrice, day: Day): number;
}

function loadNodes(book: PriceBook, rows: readonly UsageRow[], { fromMs, toMs }: PricingOptions): NodeLoads {
  const lengths = new Map(splitByDay(fromMs, toMs).map((part) => [part.day, part.toMs - part.fromMs]));
  const loads = new Map<NodePrice, Map<Day, number>>();
  for (const row of rows) {
    if (PRICED_BY[row.provider] !== 'node' || !holdsMemory(row.state)) continue;
    const price = nodePriceOn(book, row.day, row.node, row.failureDomain);
    if (price === undefined) continue;
    const days = loads.get(price) ?? new Map<Day, number>();
    loads.set(price, days.set(row.day, (days.get(row.day) ?? 0) + row.ms * row.size.memoryMib));
  }
  return {
    of: (price, day) => loads.get(price)?.get(day) ?? 0,
    capacityOf: (price, day) => price.memoryMib * (lengths.get(day) ?? 0),
  };
}

interface Group {
  readonly group: Readonly<Record<string, string>>;
  readonly ms: Partial<Record<BillingState, number>>;
  /** Time by rate, so that the one multiplication per rate is exact and the many additions are cheap. */
  readonly msByRate: Map<Exact, number>;
}

function allocate(
  book: PriceBook,
  rows: readonly UsageRow[],
  loads: NodeLoads,
  groupBy: readonly CostGroup[],
): { readonly lines: readonly ExactLine[]; readonly unpriced: readonly Unpriced[] } {
  const rateOfRow = internRates(book, loads);
  const [first, ...others] = groupBy;
  const groups = new Map<string, Group>();
  const unpriced = new Map<string, { provider: ProviderName; node?: string; ms: number }>();
  for (const row of rows) {
    const rate = rateOfRow(row);
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

/** Rows of tables that are kept in memory come again with every question; making their names took most of it. */
const rateNames = new WeakMap<UsageRow, string>();

/** The same object for the same rate, so that a guest's time at one price adds up over states and days. */
function internRates(book: PriceBook, loads: NodeLoads): (row: UsageRow) => Exact | undefined {
  const byName = new Map<string, Exact | undefined>();
  const byValue = new Map<string, Exact>();
  return (row) => {
    const name = rateNames.get(row) ?? nameRate(row);
    rateNames.set(row, name);
    if (byName.has(name)) return byName.get(name);
    const rate = rateOf(book, row, loads);
    const value = rate && `${rate.numerator}/${rate.denominator}`;
    const known = rate && value !== undefined ? (byValue.get(value) ?? rate) : undefined;
    if (known && value !== undefined) byValue.set(value, known);
    byName.set(name, known);
    return known;
  };
}

function nameRate({ provider, failureDomain, node, size, state, day }: UsageRow): string {
  const what = `${provider}|${size.vcpus}|${size.memoryMib}|${size.diskGib}|${state}|${day}`;
  return node === undefined ? what : `${what}|${failureDomain}|${node}`;
}

function rateOf(book: PriceBook, row: UsageRow, loads: NodeLoads): Exact | undefined {
  const rate = ratePerMs(book, row, row.state, row.day);
  const price = nodePriceOn(book, row.day, row.node, row.failureDomain);
  if (PRICED_BY[row.provider] !== 'node' || rate === undefined || price === undefined) return rate;
  const load = loads.of(price, row.day);
  const capacity = loads.capacityOf(price, row.day);
  return load > capacity ? scale(rate, BigInt(capacity), BigInt(load)) : rate;
}

function nameGroup(row: UsageRow, groupBy: readonly CostGroup[]): string {
  return groupBy.map((by) => groupValue(row, by)).join('|');
}

const NONE = 'none';

function groupValue(row: UsageRow, by: CostGroup): string {
  switch (by) {
    case 'provider':
      return row.provider;
    case 'team':
      return row.teamId ?? NONE;
    case 'preset':
      return row.preset ?? NONE;
    case 'user':
      return row.userId ?? NONE;
    case 'meantFor':
      return row.meantFor ?? NONE;
    case 'sandbox':
      return row.sandboxId ?? NONE;
    case 'state':
      return row.state;
    case 'day':
      return dayText(row.day);
  }
}

interface SplitNode {
  readonly cost: NodeCost;
  /** What of its cost belongs to no guest. */
  readonly rest: readonly ExactLine[];
}

function splitNodes(
  book: PriceBook,
  loads: NodeLoads,
  { fromMs, toMs, groupBy }: PricingOptions,
): readonly SplitNode[] {
  const parts = splitByDay(fromMs, toMs);
  const nodes = new Map<string, NodePrice[]>();
  for (const price of book.nodes) {
    const name = `${price.failureDomain ?? ''}|${price.node}`;
    nodes.set(name, [...(nodes.get(name) ?? []), price]);
  }
  return [...nodes.values()].flatMap((prices) => {
    const days = prices.flatMap((price) =>
      parts
        .filter(({ day }) => isPricedOn(price, day))
        .map((part) => splitNodeDay(price, part.day, part.toMs - part.fromMs, loads)),
    );
    const [price] = prices;
    return price && days.length > 0 ? [sumUp(price, days, groupBy.includes('day'))] : [];
  });
}

interface NodeDay {
  readonly day: Day;
  readonly allocated: Exact;
  readonly idle: Exact;
  readonly shared: Exact;
}

function splitNodeDay(price: NodePrice, day: Day, lengthMs: number, loads: NodeLoads): NodeDay {
  const cost = scale(nodeCostPerDay(price, day), BigInt(lengthMs), BigInt(DAY_MS));
  const capacity = loads.capacityOf(price, day);
  const billed = Math.min(loads.of(price, day), capacity);
  const perMibMs = nodeRatePerMs(price, day, { vcpus: 0, memoryMib: 1, diskGib: 0 }, 'running');
  const allocated = scale(perMibMs, BigInt(billed));
  const shared = scale(perMibMs, BigInt(Math.min(price.sharedMib * lengthMs, capacity - billed)));
  return { day, allocated, shared, idle: subtract(cost, add(allocated, shared)) };
}

function sumUp({ node, failureDomain }: NodePrice, days: readonly NodeDay[], byDay: boolean): SplitNode {
  const total = (pick: (each: NodeDay) => Exact) => sum(days.map(pick));
  const kinds = { allocated: total((each) => each.allocated), idle: total((each) => each.idle) };
  const shared = total((each) => each.shared);
  const { totalMicroUsd, microUsd } = roundLines([kinds.allocated, kinds.idle, shared]);
  const [allocatedMicroUsd = 0, idleMicroUsd = 0, sharedMicroUsd = 0] = microUsd;
  const rest = (byDay ? days : [{ day: undefined, idle: kinds.idle, shared }]).flatMap((each) =>
    (['idle', 'shared'] as const).map((kind) => ({
      kind,
      group: { node, ...(each.day === undefined ? {} : { day: dayText(each.day) }) },
      amount: each[kind],
      ms: {},
    })),
  );
  return {
    cost: {
      node,
      ...(failureDomain === undefined ? {} : { failureDomain }),
      costMicroUsd: totalMicroUsd,
      allocatedMicroUsd,
      idleMicroUsd,
      sharedMicroUsd,
    },
    rest,
  };
}
