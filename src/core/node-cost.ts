/**
 * What nodes cost, whatever runs on them: split into what guests are entitled to (allocated), what is kept free for the
 * host and for resumes (shared), and the rest (idle). The three add up to the cost of the node exactly. On a day on
 * which guests were entitled to more memory than the node has, they share its cost by what they were entitled to.
 */
import { DAY_MS, type Day, dayText, splitByDay } from './day.ts';
import { add, type Exact, roundLines, scale, subtract, sum } from './exact.ts';
import {
  holdsMemory,
  isPricedOn,
  type NodePrice,
  nodeCostPerDay,
  nodePriceOn,
  nodeRatePerMs,
  PRICED_BY,
  type PriceBook,
} from './price-book.ts';
import type { ExactLine, NodeCost, PricingOptions, UsageRow } from './usage.ts';

export interface NodeLoads {
  /** MiB·ms that guests were entitled to. Below 2^53 up to 100 TiB a node. */
  of(price: NodePrice, day: Day): number;
  /** MiB·ms that the node had in the time that is asked about. */
  capacityOf(price: NodePrice, day: Day): number;
}

export function loadNodes(
  book: PriceBook,
  rows: readonly UsageRow[],
  { fromMs, toMs }: Pick<PricingOptions, 'fromMs' | 'toMs'>,
): NodeLoads {
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

export interface SplitNode {
  readonly cost: NodeCost;
  /** What of its cost belongs to no guest. */
  readonly rest: readonly ExactLine[];
}

export function splitNodes(
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
