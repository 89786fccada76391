/** What the costs page and the board show. All amounts are whole micro-dollars. */
import type { BudgetView, Forecast } from '../../core/budget.ts';
import type { FallbackCost } from '../../core/fallback-cost.ts';
import type { ProviderName } from '../../core/provider-name.ts';
import type { PeriodSavings } from '../../core/savings.ts';
import type { NodeCost, Unpriced } from '../../core/usage.ts';

/** One provider, team or preset in this month. */
export interface GroupCost {
  readonly name: string;
  /** What its guests cost; of a node, their share by memory. */
  readonly microUsd: number;
  readonly perHourMicroUsd: number;
  readonly runningMs: number;
  /** Paused with memory, or stored without. */
  readonly pausedMs: number;
}

export interface ProviderCost extends GroupCost {
  readonly provider: ProviderName;
  /** What the same guests would have cost at Morph's prices. */
  readonly onMorphMicroUsd: number;
  readonly simulated: boolean;
}

export interface DayCost {
  /** `2026-11-21` */
  readonly day: string;
  readonly byProvider: Readonly<Partial<Record<ProviderName, number>>>;
  /** What nodes cost beyond their guests. */
  readonly restOfNodes: number;
  readonly total: number;
  /** From the first of the month to the end of this day. */
  readonly totalSoFar: number;
  readonly onMorphSoFar: number;
}

/** The bill beyond sandboxes, in one number with them. */
export interface WholeBill {
  /** AI providers, Convex and the like, the dearest first. */
  readonly lines: readonly { readonly line: string; readonly microUsd: number }[];
  readonly totalMicroUsd: number;
  /** What the whole is to stay below, a month. */
  readonly targetMicroUsd: number;
}

/** This month as it was last compared with other policies. */
export interface MonthSavings extends PeriodSavings {
  readonly comparedAtMs: number;
}

export interface MonthView {
  readonly atMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Of one team: nodes are shared by all and are nobody's. */
  readonly teamId?: string;
  readonly spentMicroUsd: number;
  readonly perHourMicroUsd: number;
  readonly forecast: Forecast;
  readonly onMorphMicroUsd: number;
  readonly providers: readonly ProviderCost[];
  readonly teams: readonly GroupCost[];
  readonly presets: readonly GroupCost[];
  readonly days: readonly DayCost[];
  readonly nodes: readonly NodeCost[];
  /** Absent for one team: what it pays for is where its sandboxes are. */
  readonly fallbacks?: FallbackCost;
  /** Absent for one team, and where nobody told of other lines. */
  readonly bill?: WholeBill;
  /** Absent for one team, and before the first comparison of the month. */
  readonly savings?: MonthSavings;
  /** Those of the team alone, where it is of one. */
  readonly budgets: readonly BudgetView[];
  readonly unpriced: readonly Unpriced[];
  readonly pricesAsOf: string;
  readonly priceSources: readonly string[];
}
