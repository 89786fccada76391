/** From a snapshot of the ledger to what one person may see of this month. Pure. */
import { type BudgetView, forecastMonthEnd } from '../../core/budget.ts';
import { anHourOf } from '../../core/budget-spend.ts';
import { type MeteredLine, otherCosts } from '../../core/cost-lines.ts';
import { dayText, monthStartMs, nextMonthStartMs, splitByDay } from '../../core/day.ts';
import { fallbackCost } from '../../core/fallback-cost.ts';
import type { OpenInterval } from '../../core/ledger.ts';
import { holdsMemory, type PriceBook } from '../../core/price-book.ts';
import { PROVIDER_NAMES, type ProviderName } from '../../core/provider-name.ts';
import { TARGET } from '../../core/savings.ts';
import { type CostGroup, type CostLine, timeIn, type UsageRow } from '../../core/usage.ts';
import { priceUsage } from '../../core/usage-cost.ts';
import { onMorph } from '../../core/usage-on-morph.ts';
import type { DayCost, GroupCost, MonthSavings, MonthView, ProviderCost, WholeBill } from './costs-view.ts';

export interface CostsSnapshot {
  readonly atMs: number;
  readonly book: PriceBook;
  /** This month so far. */
  readonly rows: readonly UsageRow[];
  readonly open: readonly OpenInterval[];
  readonly simulated: readonly ProviderName[];
  readonly savings?: MonthSavings;
  readonly metered: readonly MeteredLine[];
  readonly budgets: readonly BudgetView[];
}

/** @param teamId only what this team's sandboxes cost; `undefined`: everything */
export function viewMonth(snapshot: CostsSnapshot, teamId: string | undefined): MonthView {
  const { atMs, book } = snapshot;
  const mine = <T extends { readonly teamId?: string }>(of: T) =>
    teamId === undefined || of.teamId === teamId;
  const rows = snapshot.rows.filter(mine);
  const hour = anHourOf(
    snapshot.open.filter(({ account }) => mine(account)),
    atMs,
  );
  const time = { fromMs: monthStartMs(atMs), toMs: atMs };
  const withNodes = teamId === undefined;
  const price = (groupBy: readonly CostGroup[]) => priceUsage(book, rows, { ...time, groupBy, withNodes });
  const priceHour = (groupBy: readonly CostGroup[]) =>
    priceUsage(book, hour.rows, { ...hour, groupBy, withNodes });
  const groups = (by: CostGroup) => viewGroups(price([by]).lines, priceHour([by]).lines, by);
  const byProvider = price(['provider']);
  const perHourMicroUsd = priceHour([]).totalMicroUsd;
  const elsewhere = rows.map(onMorph);
  const onMorphOf = (of: readonly UsageRow[], groupBy: readonly CostGroup[] = []) =>
    priceUsage(book, of, { ...time, groupBy, withNodes: false });
  const providers = groups('provider').map(
    (group): ProviderCost => ({
      ...group,
      provider: group.name as ProviderName,
      onMorphMicroUsd: onMorphOf(rows.filter(({ provider }) => provider === group.name).map(onMorph))
        .totalMicroUsd,
      simulated: snapshot.simulated.includes(group.name as ProviderName),
    }),
  );
  const bill = withNodes ? viewBill(snapshot, byProvider.totalMicroUsd, time) : undefined;
  return {
    atMs,
    fromMs: time.fromMs,
    toMs: nextMonthStartMs(atMs),
    ...(teamId === undefined ? {} : { teamId }),
    spentMicroUsd: byProvider.totalMicroUsd,
    perHourMicroUsd,
    forecast: forecastMonthEnd(byProvider.totalMicroUsd, perHourMicroUsd, atMs),
    onMorphMicroUsd: onMorphOf(elsewhere).totalMicroUsd,
    providers,
    teams: groups('team'),
    presets: groups('preset'),
    days: viewDays(price(['day', 'provider']).lines, onMorphOf(elsewhere, ['day']).lines, time),
    nodes: byProvider.nodes,
    ...(withNodes ? { fallbacks: fallbackCost(price(['provider', 'meantFor']).lines) } : {}),
    ...(bill ? { bill } : {}),
    ...(withNodes && snapshot.savings ? { savings: snapshot.savings } : {}),
    budgets: snapshot.budgets.filter(
      ({ scope }) => teamId === undefined || (scope.of === 'team' && scope.teamId === teamId),
    ),
    unpriced: byProvider.unpriced,
    pricesAsOf: book.asOf,
    priceSources: book.sources,
  };
}

function viewBill(
  { book, metered }: CostsSnapshot,
  sandboxesMicroUsd: number,
  time: { readonly fromMs: number; readonly toMs: number },
): WholeBill | undefined {
  const other = otherCosts(book, metered, { ...time, byDay: false });
  if (other.lines.length === 0) return undefined;
  return {
    lines: other.lines
      .map(({ group, microUsd }) => ({ line: group.line ?? '', microUsd }))
      .sort((a, b) => b.microUsd - a.microUsd),
    totalMicroUsd: sandboxesMicroUsd + other.totalMicroUsd,
    targetMicroUsd: TARGET.totalMicroUsd,
  };
}

/** Dearest first; what belongs to no guest is told with the nodes. */
function viewGroups(
  lines: readonly CostLine[],
  now: readonly CostLine[],
  by: CostGroup,
): readonly GroupCost[] {
  return lines
    .filter(({ kind }) => kind === 'allocated')
    .map(({ group, microUsd, ms }) => {
      const name = group[by] ?? '';
      const current = now.find((line) => line.kind === 'allocated' && line.group[by] === name);
      return {
        name,
        microUsd,
        perHourMicroUsd: current?.microUsd ?? 0,
        runningMs: timeIn(ms, holdsMemory),
        pausedMs: timeIn(ms, (state) => !holdsMemory(state)),
      };
    });
}

function viewDays(
  lines: readonly CostLine[],
  onMorphLines: readonly CostLine[],
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): readonly DayCost[] {
  let totalSoFar = 0;
  let onMorphSoFar = 0;
  return splitByDay(fromMs, toMs).map((part) => {
    const day = dayText(part.day);
    const ofDay = lines.filter(({ group }) => group.day === day);
    const sumOf = (some: readonly CostLine[]) => some.reduce((sum, { microUsd }) => sum + microUsd, 0);
    const allocated = ofDay.filter(({ kind }) => kind === 'allocated');
    const byProvider = Object.fromEntries(
      PROVIDER_NAMES.map((provider) => [
        provider,
        sumOf(allocated.filter(({ group }) => group.provider === provider)),
      ]),
    );
    const total = sumOf(ofDay);
    totalSoFar += total;
    onMorphSoFar += sumOf(onMorphLines.filter(({ group }) => group.day === day));
    return { day, byProvider, restOfNodes: total - sumOf(allocated), total, totalSoFar, onMorphSoFar };
  });
}
