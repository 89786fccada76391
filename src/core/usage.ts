/**
 * Usage: how long guests of each size were in each state, by day; and what it is told as once it has a price. Usage is
 * kept in milliseconds, so that one history can be priced by any book.
 */
import { type Day, dayText } from './day.ts';
import type { Exact } from './exact.ts';
import type { BilledSize, BillingState } from './price-book.ts';
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

/** A line before it is rounded. */
export interface ExactLine {
  readonly kind: CostKind;
  readonly group: Readonly<Record<string, string>>;
  readonly amount: Exact;
  readonly ms: Readonly<Partial<Record<BillingState, number>>>;
}

export function nameGroup(row: Grouped, groupBy: readonly CostGroup[]): string {
  return groupBy.map((by) => groupValue(row, by)).join('|');
}

type Grouped = Omit<UsageRow, 'ms'>;

const NONE = 'none';

/** What a row has for a group; `none` where it has nothing. */
export function groupValue(row: Grouped, by: CostGroup): string {
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
