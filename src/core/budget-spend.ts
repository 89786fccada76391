/**
 * What of priced usage counts against a budget. The deployment's counts everything: what nodes cost beyond their
 * guests, and the other lines of the bill. A provider's counts its guests, and for Proxmox the nodes' idle and shared
 * cost. A team's counts its guests.
 */
import { type Budget, type Forecast, forecastMonthEnd, THRESHOLDS_PERCENT } from './budget.ts';
import { dayOf } from './day.ts';
import type { LedgerEntry } from './ledger.ts';
import { PRICED_BY } from './price-book.ts';
import type { PricedUsage, UsageRow } from './usage.ts';

/** What usage has to be grouped by to be held against budgets. */
export const SPENDING_GROUPS = ['provider', 'team'] as const;

export function spentOn({ scope }: Budget, { totalMicroUsd, lines }: PricedUsage): number {
  const sumOf = (picks: (line: PricedUsage['lines'][number]) => boolean) =>
    lines.filter(picks).reduce((sum, { microUsd }) => sum + microUsd, 0);
  switch (scope.of) {
    case 'deployment':
      return totalMicroUsd;
    case 'team':
      return sumOf(({ kind, group }) => kind === 'allocated' && group.team === scope.teamId);
    case 'provider': {
      const hasNodes = PRICED_BY[scope.provider] === 'node';
      return sumOf(({ kind, group }) =>
        kind === 'allocated'
          ? group.provider === scope.provider
          : hasNodes && (kind === 'idle' || kind === 'shared'),
      );
    }
  }
}

const HOUR_MS = 3_600_000;

/** An hour of today as it is at this moment: every guest in its state. */
export function anHourOf(open: readonly Pick<LedgerEntry, 'account' | 'state'>[], nowMs: number) {
  const day = dayOf(nowMs);
  const fromMs = day * 24 * HOUR_MS;
  const rows = open.map(({ account, state }): UsageRow => {
    const { guestId: _guest, sandboxId: _sandbox, ...dimensions } = account;
    return { ...dimensions, state, day, ms: HOUR_MS };
  });
  return { rows, fromMs, toMs: fromMs + HOUR_MS };
}

export function forecastOf(
  budget: Budget,
  soFar: PricedUsage,
  anHourNow: PricedUsage,
  nowMs: number,
): Forecast {
  return forecastMonthEnd(spentOn(budget, soFar), spentOn(budget, anHourNow), nowMs);
}

/** What the alert of one threshold is about. It names the month, so that the next one is told anew. */
export function crossingSubject(budget: string, percent: number, month: string): string {
  return `${budget} ${percent}% ${month}`;
}

/** Whether an alert's subject is one that may stand in this month. */
export function isCurrentCrossing(subject: string, budgets: readonly Budget[], month: string): boolean {
  return budgets.some(({ name }) =>
    THRESHOLDS_PERCENT.some((percent) => subject === crossingSubject(name, percent, month)),
  );
}
