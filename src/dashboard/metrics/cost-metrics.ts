/** Money as gauges. Prometheus adds in floats, so what has to be exact is asked of `GET /v1/costs`. */
import { PROVIDER_NAMES } from '../../core/provider-name.ts';
import type { Series } from './stored-series.ts';

export interface CostSnapshot {
  /** Micro-dollars per hour, by provider. */
  readonly ratesPerHour: Readonly<Record<string, number>>;
  /** Micro-dollars of this month (UTC) so far. */
  readonly month: {
    readonly totalMicroUsd: number;
    readonly byProvider: Readonly<Record<string, number>>;
    readonly fallbacksMicroUsd: number;
    readonly nodes: readonly {
      readonly node: string;
      readonly allocatedMicroUsd: number;
      readonly idleMicroUsd: number;
      readonly sharedMicroUsd: number;
    }[];
  };
  readonly backlog: number;
}

type Define = (
  name: string,
  help: string,
  labels: string[],
  read: (snapshot: { readonly costs: CostSnapshot }) => readonly Series<string>[],
) => void;

const MICRO_USD = 1_000_000;

export function defineCosts(gauge: Define): void {
  const perProvider = (amounts: Readonly<Record<string, number>>) =>
    PROVIDER_NAMES.map((provider) => ({
      labels: { provider },
      value: (amounts[provider] ?? 0) / MICRO_USD,
    }));
  gauge(
    'cost_rate_usd_per_hour',
    'What the guests that exist now cost per hour; of a node, their share of it.',
    ['provider'],
    ({ costs }) => perProvider(costs.ratesPerHour),
  );
  gauge(
    'cost_month_usd',
    'What guests cost since the beginning of this month (UTC).',
    ['provider'],
    ({ costs }) => perProvider(costs.month.byProvider),
  );
  gauge(
    'cost_month_all_usd',
    'What everything costs since the beginning of this month (UTC): guests, what of nodes belongs to no guest, and the other lines of the bill.',
    [],
    ({ costs }) => [{ labels: {}, value: costs.month.totalMicroUsd / MICRO_USD }],
  );
  gauge(
    'fallback_cost_month_usd',
    'What guests cost at Morph since the beginning of this month (UTC) whose start was meant for a node.',
    [],
    ({ costs }) => [{ labels: {}, value: costs.month.fallbacksMicroUsd / MICRO_USD }],
  );
  gauge(
    'node_cost_month_usd',
    'What a node costs since the beginning of this month (UTC): allocated to guests, shared, idle.',
    ['node', 'kind'],
    ({ costs }) =>
      costs.month.nodes.flatMap(({ node, allocatedMicroUsd, sharedMicroUsd, idleMicroUsd }) =>
        Object.entries({
          allocated: allocatedMicroUsd,
          shared: sharedMicroUsd,
          idle: idleMicroUsd,
        }).map(([kind, microUsd]) => ({ labels: { node, kind }, value: microUsd / MICRO_USD })),
      ),
  );
  gauge('ledger_backlog', 'Closed intervals that wait to be written.', [], ({ costs }) => [
    { labels: {}, value: costs.backlog },
  ]);
}
