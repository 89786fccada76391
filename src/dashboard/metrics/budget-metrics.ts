/** How far budgets are used, as of the last tally. A budget's name comes from the operator's own file. */
import type { BudgetsView } from '../../core/budget.ts';
import type { MetricsSnapshot } from './read-snapshot.ts';
import type { Series } from './stored-series.ts';

type Define = (
  name: string,
  help: string,
  labels: string[],
  read: (snapshot: Pick<MetricsSnapshot, 'atMs' | 'budgets'>) => readonly Series<string>[],
) => void;

const MICRO_USD = 1_000_000;

export function defineBudgets(gauge: Define): void {
  gauge(
    'budget_limit_usd',
    'What a budget allows for a calendar month (UTC).',
    ['budget'],
    ({ budgets: { budgets } }) =>
      budgets.map(({ name, limitMicroUsd }) => ({
        labels: { budget: name },
        value: limitMicroUsd / MICRO_USD,
      })),
  );
  gauge(
    'budget_used_usd',
    'What counts against a budget this month (UTC): spent, and reserved for starts.',
    ['budget', 'part'],
    ({ budgets: { budgets } }) =>
      budgets.flatMap(({ name, spentMicroUsd, reservedMicroUsd }) =>
        Object.entries({ spent: spentMicroUsd, reserved: reservedMicroUsd }).map(([part, microUsd]) => ({
          labels: { budget: name, part },
          value: microUsd / MICRO_USD,
        })),
      ),
  );
  gauge(
    'budget_forecast_usd',
    'What a budget will have spent when the month ends: by the mean of the month, and by the lower and the higher one of that and the rate of now.',
    ['budget', 'reading'],
    ({ budgets: { budgets } }) => budgets.flatMap(forecastSeries),
  );
  gauge(
    'budget_tally_age_seconds',
    'How long ago the ledger was held against the budgets; every minute. Absent without budgets.',
    [],
    ({ budgets: { talliedAtMs }, atMs }) =>
      talliedAtMs === undefined ? [] : [{ labels: {}, value: Math.max(0, atMs - talliedAtMs) / 1_000 }],
  );
}

function forecastSeries({ name, forecast }: BudgetsView['budgets'][number]): readonly Series<string>[] {
  if (forecast === undefined) return [];
  const { lowerMicroUsd, expectedMicroUsd, upperMicroUsd } = forecast;
  return Object.entries({ lower: lowerMicroUsd, expected: expectedMicroUsd, upper: upperMicroUsd }).map(
    ([reading, microUsd]) => ({ labels: { budget: name, reading }, value: microUsd / MICRO_USD }),
  );
}
