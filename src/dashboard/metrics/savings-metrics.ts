/** What this month has saved so far, as the sweep `compare-costs` last found it. */
import { COUNTERFACTUALS } from '../../core/counterfactual.ts';
import type { Bounds } from '../../core/savings.ts';
import type { MetricsSnapshot } from './read-snapshot.ts';
import type { Series } from './stored-series.ts';

type Define = (
  name: string,
  help: string,
  labels: string[],
  read: (snapshot: Pick<MetricsSnapshot, 'atMs' | 'savings'>) => readonly Series<string>[],
) => void;

const MICRO_USD = 1_000_000;
const LABELS = ['policy', 'reading'];

export function defineSavings(gauge: Define): void {
  const perPolicy = (
    name: string,
    help: string,
    value: (underMicroUsd: number, actualMicroUsd: number) => number,
  ) =>
    gauge(name, help, LABELS, ({ savings: { months } }) =>
      months.flatMap(({ under, actualMicroUsd }) =>
        COUNTERFACTUALS.flatMap((policy) =>
          readingsOf(under[policy]).map(([reading, microUsd]) => ({
            labels: { policy, reading },
            value: value(microUsd, actualMicroUsd) / MICRO_USD,
          })),
        ),
      ),
    );
  perPolicy(
    'counterfactual_month_usd',
    'What sandboxes would have cost this month (UTC) under another policy, by its most and its least favourable reading.',
    (under) => under,
  );
  perPolicy(
    'savings_month_usd',
    'How much less sandboxes and nodes have cost this month (UTC) than that; below 0: more.',
    (under, actual) => under - actual,
  );
  gauge(
    'savings_age_seconds',
    'How long ago the month was held against other policies; every hour. Absent before the first time.',
    [],
    ({ savings: { comparedAtMs }, atMs }) =>
      comparedAtMs === undefined ? [] : [{ labels: {}, value: Math.max(0, atMs - comparedAtMs) / 1_000 }],
  );
}

function readingsOf({ lowerMicroUsd, upperMicroUsd }: Bounds): readonly (readonly [string, number])[] {
  return [
    ['lower', lowerMicroUsd],
    ['upper', upperMicroUsd],
  ];
}
