/**
 * Holds the ledger against the budgets: what is spent this month, what its end will see, and what reservations still
 * stand for. Tells of each threshold once a month. It changes no sandbox.
 */
import { type Budget, crossedThresholds, dollars } from '../../core/budget.ts';
import { heldWhileRunning } from '../../core/budget-room.ts';
import {
  anHourOf,
  crossingSubject,
  forecastOf,
  isCurrentCrossing,
  SPENDING_GROUPS,
  spentOn,
} from '../../core/budget-spend.ts';
import { fixedPerHour, otherCosts } from '../../core/cost-lines.ts';
import { dayOf, monthStartMs, monthText } from '../../core/day.ts';
import { toMicroUsd } from '../../core/exact.ts';
import type { PricedUsage } from '../../core/usage.ts';
import { priceUsage } from '../../core/usage-cost.ts';
import type { StoredReservation, Tally } from '../../store/budgets.ts';
import type { Store } from '../../store/store.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

export type TallyCounts = Record<'looked' | 'released' | 'raised' | 'cleared', number>;

export async function tallyBudgets(
  { store, nowMs }: Pick<SweepDeps, 'store' | 'nowMs'>,
  { dryRun }: Pick<SweepRunOptions, 'dryRun'>,
): Promise<TallyCounts> {
  const budgets = (await store.deployment.view())?.settings.budgets ?? [];
  const now = nowMs();
  const month = monthText(now);
  const tallied = budgets.length === 0 ? [] : await addUp(store, budgets, now);
  const held = await store.budgets.reservations();
  const reservations = held.flatMap((each) => changeOf(each, now) ?? []);
  const alerts = await planAlerts(store, budgets, tallied, month);
  const counts = {
    looked: budgets.length,
    released: reservations.filter(({ becomes }) => becomes === undefined).length,
    raised: alerts.raise.length,
    cleared: alerts.clear.length,
  };
  if (dryRun || (budgets.length === 0 && held.length === 0 && alerts.clear.length === 0)) return counts;
  await store.budgets.tally({ month, atMs: now, budgets: tallied, reservations });
  for (const alert of alerts.raise) await store.alerts.raise(alert, now);
  for (const alert of alerts.clear) await store.alerts.clear(alert, now);
  return counts;
}

async function addUp(store: Store, budgets: readonly Budget[], now: number): Promise<Tally['budgets']> {
  const time = { fromMs: monthStartMs(now), toMs: now };
  const [book, rows, open, metered] = await Promise.all([
    store.costs.prices(),
    store.ledger.usage({ ...time, nowMs: now, bySandbox: false, differBy: SPENDING_GROUPS }),
    store.ledger.openIntervals(),
    store.costLines.all(),
  ]);
  const pricing = { groupBy: SPENDING_GROUPS, withNodes: true };
  const other = otherCosts(book, metered, { ...time, byDay: false }).totalMicroUsd;
  const soFar = withOther(priceUsage(book, rows, { ...pricing, ...time }), other);
  const hour = anHourOf(open, now);
  const fixed = toMicroUsd(fixedPerHour(book, dayOf(now)));
  const anHourNow = withOther(priceUsage(book, hour.rows, { ...pricing, ...hour }), fixed);
  return budgets.map((budget) => ({
    name: budget.name,
    spentMicroUsd: spentOn(budget, soFar),
    forecast: forecastOf(budget, soFar, anHourNow, now),
  }));
}

/** The other lines of the bill count against the deployment's budgets alone. */
function withOther(priced: PricedUsage, otherMicroUsd: number): PricedUsage {
  return { ...priced, totalMicroUsd: priced.totalMicroUsd + otherMicroUsd };
}

/** `undefined`: it stays as it is. */
function changeOf(held: StoredReservation, now: number): Tally['reservations'][number] | undefined {
  const { operationId, encoded: was, budgets, atMs, microUsd } = held;
  if (held.state === 'open') return undefined;
  const ranForMs = now - (held.runningSinceMs ?? 0);
  const left = held.state === 'running' ? heldWhileRunning(held.originalMicroUsd, ranForMs) : 0;
  if (left === microUsd) return undefined;
  return { operationId, was, becomes: left === 0 ? undefined : { budgets, atMs, microUsd: left } };
}

async function planAlerts(
  store: Store,
  budgets: readonly Budget[],
  tallied: Tally['budgets'],
  month: string,
) {
  const active = (await store.alerts.active()).filter(({ name }) => name === 'budget.crossed');
  const told = new Set(active.map(({ subject }) => subject));
  const raise = budgets.flatMap((budget) => {
    const spentMicroUsd = tallied.find(({ name }) => name === budget.name)?.spentMicroUsd ?? 0;
    return crossedThresholds({ budget, spentMicroUsd, reservedMicroUsd: 0 }, [])
      .map((percent) => ({ percent, subject: crossingSubject(budget.name, percent, month) }))
      .filter(({ subject }) => !told.has(subject))
      .map(({ percent, subject }) => ({
        name: 'budget.crossed' as const,
        subject,
        message: `budget ${budget.name}: ${dollars(spentMicroUsd)} of ${dollars(budget.monthlyMicroUsd)} are spent, ${percent} % are reached`,
        remediation: WHAT_HAPPENS[budget.atLimit],
      }));
  });
  const clear = active.filter(({ subject }) => !isCurrentCrossing(subject, budgets, month));
  return { raise, clear };
}

const WHAT_HAPPENS: Readonly<Record<Budget['atLimit'], string>> = {
  alert: 'At the limit nothing happens but this alert.',
  route_away:
    "At the limit starts go to the cheapest provider that can take them, or away from the budget's own.",
  stop_admitting:
    'At the limit no start is admitted any more. What runs goes on, and can be paused and resumed.',
};
