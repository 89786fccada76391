/**
 * What things cost, dated by day. Prices change at a midnight (UTC) and never within a day, so that a day's
 * usage has one price.
 *
 * Two kinds of price: Morph sells MCU hours (by size, while it runs) and storage (while it is paused); a Proxmox
 * node costs its month whatever runs on it, and its guests share that by the memory they are entitled to.
 */
import { DAY_MS, type Day, daysInMonthOf } from './day.ts';
import { type Exact, scale, ZERO } from './exact.ts';
import type { ProviderName } from './provider-name.ts';

/** What a guest is billed by: what it was given, not what it uses. */
export interface BilledSize {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskGib: number;
}

/**
 * `running`: it may use its memory. `paused`: memory is kept at the provider. `stored`: its disk alone is.
 * `condemned`: on its way out, and costs as if it ran. `unowned`: ours, no record answers for it; costs as if it
 * ran.
 */
export const BILLING_STATES = ['running', 'paused', 'stored', 'condemned', 'unowned'] as const;
export type BillingState = (typeof BILLING_STATES)[number];

export interface McuPrice {
  readonly fromDay: Day;
  readonly usdPerMcuHour: Exact;
  /** One MCU holds this much: the largest share of vCPUs, memory and disk decides. */
  readonly mcuMemoryMib: number;
  readonly mcuDiskGib: number;
  /** Memory and disk together, while paused or stored. */
  readonly usdPerStoredGibHour: Exact;
}

export interface NodePrice {
  readonly node: string;
  /** Absent: a node of this name in any failure domain. */
  readonly failureDomain?: string;
  readonly fromDay: Day;
  /** The first day on which it costs nothing any more. */
  readonly untilDay?: Day;
  readonly usdPerMonth: Exact;
  readonly memoryMib: number;
  /** Memory that no guest gets: the host's own, and what starts leave free. */
  readonly sharedMib: number;
}

/** Another line of the bill that costs the same every month. */
export interface FixedLine {
  readonly line: string;
  readonly fromDay: Day;
  readonly untilDay?: Day;
  readonly usdPerMonth: Exact;
}

export interface PriceBook {
  /** The day on which somebody last looked at the prices. */
  readonly asOf: string;
  /** Where they come from, for people. */
  readonly sources: readonly string[];
  /** By day. The earliest holds for everything before it, too. */
  readonly morph: readonly McuPrice[];
  readonly nodes: readonly NodePrice[];
  /** No part of what sandboxes cost. */
  readonly lines?: readonly FixedLine[];
}

/** How a provider's guests are priced. */
export const PRICED_BY = {
  'pve-vm': 'node',
  'pve-lxc': 'node',
  morph: 'mcu',
} as const satisfies Record<ProviderName, 'node' | 'mcu'>;

export const HOUR_MS = 3_600_000n;

/** While Proxmox keeps a guest's memory on disk, or its disk alone, nobody else is kept from the memory. */
export function holdsMemory(state: BillingState): boolean {
  return state !== 'paused' && state !== 'stored';
}

export function mcuPriceOn(book: PriceBook, day: Day): McuPrice | undefined {
  return book.morph.findLast(({ fromDay }) => fromDay <= day) ?? book.morph[0];
}

export function nodePriceOn(
  book: PriceBook,
  day: Day,
  node: string | undefined,
  failureDomain: string,
): NodePrice | undefined {
  return book.nodes.findLast(
    (price) =>
      price.node === node &&
      (price.failureDomain === undefined || price.failureDomain === failureDomain) &&
      isPricedOn(price, day),
  );
}

export function isPricedOn(
  { fromDay, untilDay }: Pick<NodePrice, 'fromDay' | 'untilDay'>,
  day: Day,
): boolean {
  return fromDay <= day && (untilDay === undefined || day < untilDay);
}

/** MCU per hour of a running guest: the largest share decides, each part rounded up. */
export function mcuOf({ vcpus, memoryMib, diskGib }: BilledSize, price: McuPrice): number {
  return Math.max(vcpus, Math.ceil(memoryMib / price.mcuMemoryMib), Math.ceil(diskGib / price.mcuDiskGib));
}

/** What one millisecond of a guest costs at Morph's prices. */
export function mcuRatePerMs(price: McuPrice, size: BilledSize, state: BillingState): Exact {
  if (holdsMemory(state)) return scale(price.usdPerMcuHour, BigInt(mcuOf(size, price)), HOUR_MS);
  const storedMib = BigInt(size.memoryMib) + BigInt(size.diskGib) * 1024n;
  return scale(price.usdPerStoredGibHour, storedMib, 1024n * HOUR_MS);
}

/** What a node costs in one day of a month: every day of a month costs the same. */
export function nodeCostPerDay(price: Pick<NodePrice, 'usdPerMonth'>, day: Day): Exact {
  return scale(price.usdPerMonth, 1n, BigInt(daysInMonthOf(day)));
}

/** What one millisecond of a guest takes of its node's cost, while the node is not entitled beyond its memory. */
export function nodeRatePerMs(price: NodePrice, day: Day, size: BilledSize, state: BillingState): Exact {
  if (!holdsMemory(state)) return ZERO;
  return scale(nodeCostPerDay(price, day), BigInt(size.memoryMib), BigInt(price.memoryMib) * BigInt(DAY_MS));
}
