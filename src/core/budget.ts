/**
 * Budgets: what may be spent in a calendar month (UTC) by the whole deployment, by one team or on one provider.
 *
 * Money is counted in whole micro-dollars. What counts against a limit is what was spent this month so far plus
 * what open start attempts have reserved: one *slice* each, an hour of their sandbox at that provider's price.
 * A budget never touches a sandbox that runs; it decides where, and whether, new ones start.
 */
import { monthStartMs, nextMonthStartMs } from './day.ts';
import type { LeftOut } from './operation.ts';
import type { ProviderName } from './provider-name.ts';

export type BudgetScope =
  | { readonly of: 'deployment' }
  | { readonly of: 'team'; readonly teamId: string }
  | { readonly of: 'provider'; readonly provider: ProviderName };

/**
 * What happens when a start does not fit any more. `alert`: nothing but the alert. `route_away`: it goes to
 * another candidate, the cheapest one always being allowed unless the budget is that provider's own.
 * `stop_admitting`: it goes nowhere.
 */
export const AT_LIMIT = ['alert', 'route_away', 'stop_admitting'] as const;
export type AtLimit = (typeof AT_LIMIT)[number];

export interface Budget {
  /** Unique in the deployment; shown in alerts and reasons. */
  readonly name: string;
  readonly scope: BudgetScope;
  readonly monthlyMicroUsd: number;
  readonly atLimit: AtLimit;
}

export interface BudgetUse {
  readonly budget: Budget;
  readonly spentMicroUsd: number;
  readonly reservedMicroUsd: number;
}

/** A budget as it stands, as everybody is told of it. */
export interface BudgetView extends Pick<Budget, 'name' | 'scope' | 'atLimit'> {
  readonly limitMicroUsd: number;
  readonly spentMicroUsd: number;
  /** For starts under way, and for what is left of first hours. */
  readonly reservedMicroUsd: number;
  /** At the end of the month. Absent before the first tally of a month. */
  readonly forecast?: Forecast;
}

export interface BudgetsView {
  /** `2026-11` (UTC). */
  readonly month: string;
  /** Absent before the first tally. */
  readonly talliedAtMs?: number;
  readonly budgets: readonly BudgetView[];
}

/** One candidate of a route with the price of its first hour there. */
export interface PricedCandidate {
  readonly provider: ProviderName;
  readonly sliceMicroUsd: number;
}

/** At each of these shares somebody is told, once a month. */
export const THRESHOLDS_PERCENT = [50, 75, 90, 100] as const;

export function isWithinScope(
  { scope }: Budget,
  start: { readonly teamId?: string | undefined; readonly provider: ProviderName },
): boolean {
  switch (scope.of) {
    case 'deployment':
      return true;
    case 'team':
      return scope.teamId === start.teamId;
    case 'provider':
      return scope.provider === start.provider;
  }
}

/** Takes the candidates that no budget lets through out of a route, each with its reason. */
export function withinBudgets(
  candidates: readonly PricedCandidate[],
  teamId: string | undefined,
  uses: readonly BudgetUse[],
): { readonly candidates: readonly ProviderName[]; readonly leftOut: readonly LeftOut[] } {
  const cheapest = Math.min(...candidates.map(({ sliceMicroUsd }) => sliceMicroUsd));
  const allowed: ProviderName[] = [];
  const leftOut: LeftOut[] = [];
  for (const { provider, sliceMicroUsd } of candidates) {
    const against = uses.find(
      ({ budget, spentMicroUsd, reservedMicroUsd }) =>
        isWithinScope(budget, { teamId, provider }) &&
        spentMicroUsd + reservedMicroUsd + sliceMicroUsd > budget.monthlyMicroUsd &&
        forbids(budget, sliceMicroUsd === cheapest),
    );
    if (against === undefined) allowed.push(provider);
    else leftOut.push({ provider, reason: reasonOf(against) });
  }
  return { candidates: allowed, leftOut };
}

/** Whether a start that does not fit is refused. */
export function forbids({ atLimit, scope }: Budget, isCheapest: boolean): boolean {
  switch (atLimit) {
    case 'alert':
      return false;
    case 'route_away':
      return scope.of === 'provider' || !isCheapest;
    case 'stop_admitting':
      return true;
  }
}

function reasonOf({ budget, spentMicroUsd, reservedMicroUsd }: BudgetUse): string {
  const used = `${dollars(spentMicroUsd)} spent and ${dollars(reservedMicroUsd)} reserved`;
  return `budget ${budget.name}: ${used} of ${dollars(budget.monthlyMicroUsd)} this month`;
}

/** The thresholds that are reached and were not told yet, lowest first. */
export function crossedThresholds(
  { budget, spentMicroUsd }: BudgetUse,
  told: readonly number[],
): readonly number[] {
  return THRESHOLDS_PERCENT.filter(
    (percent) => spentMicroUsd * 100 >= budget.monthlyMicroUsd * percent && !told.includes(percent),
  );
}

export interface Forecast {
  /** What will have been spent if it goes on as it did this month so far. */
  readonly expectedMicroUsd: number;
  /** The lower and the higher one of that, and of what it will be if the rate of this moment lasts. */
  readonly lowerMicroUsd: number;
  readonly upperMicroUsd: number;
}

/** Before a day has passed the mean says nothing: then the rate of the moment is all there is. */
const MEAN_COUNTS_FROM_MS = 24 * 60 * 60 * 1000;
const HOUR_MS = 60 * 60 * 1000;

export function forecastMonthEnd(spentMicroUsd: number, microUsdPerHourNow: number, nowMs: number): Forecast {
  const fromMs = monthStartMs(nowMs);
  const toMs = nextMonthStartMs(nowMs);
  const passedMs = nowMs - fromMs;
  const leftMs = toMs - nowMs;
  const byRate = spentMicroUsd + (microUsdPerHourNow * leftMs) / HOUR_MS;
  const byMean = passedMs < MEAN_COUNTS_FROM_MS ? byRate : spentMicroUsd * ((toMs - fromMs) / passedMs);
  return {
    expectedMicroUsd: Math.round(byMean),
    lowerMicroUsd: Math.round(Math.min(byRate, byMean)),
    upperMicroUsd: Math.round(Math.max(byRate, byMean)),
  };
}

/** Whole cents, as people read money. */
export function dollars(microUsd: number): string {
  return `$${(microUsd / 1_000_000).toFixed(2)}`;
}
