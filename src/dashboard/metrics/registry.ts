/**
 * The metrics by name. All but those of the process itself describe the deployment and say the same whichever
 * process is scraped: see docs/decisions/2026-11-21-metrics.md. Labels come from small closed sets and from the
 * installation's own nodes, storages and budgets, never from ids.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { ALERT_NAMES } from '../../core/alert.ts';
import { DURATION_BUCKETS_SECONDS, HEALED_INDEXES } from '../../core/measures.ts';
import { isEnded, SANDBOX_STATES } from '../../core/sandbox.ts';
import { defineBudgets } from './budget-metrics.ts';
import { defineCosts } from './cost-metrics.ts';
import { defineIdle } from './idle-metrics.ts';
import type { MetricsSnapshot } from './read-snapshot.ts';
import { defineSavings } from './savings-metrics.ts';
import { histogramsOf, type Series, seriesOf } from './stored-series.ts';

/** What this scrape shows; `undefined` while Redis does not answer. */
export type TakeSnapshot = () => Promise<MetricsSnapshot | undefined>;

type LabelledValues = readonly Series<string>[];
type Read = (snapshot: MetricsSnapshot) => LabelledValues;

const BYTES_PER_MIB = 1024 * 1024;

export function createRegistry(takeSnapshot: TakeSnapshot): Registry {
  const registry = new Registry();
  const define = (
    kind: typeof Gauge | typeof Counter,
    name: string,
    help: string,
    labels: string[],
    read: Read,
  ) =>
    new kind({
      name: `lifecycle_${name}`,
      help,
      labelNames: labels,
      registers: [registry],
      async collect() {
        const snapshot = await takeSnapshot();
        this.reset();
        // A series without labels begins at nought; what is not known must not read so.
        this.remove({});
        // Without a snapshot it is better to say nothing than nought.
        for (const { labels: values, value } of snapshot ? read(snapshot) : []) this.inc(values, value);
      },
    });
  const gauge = (name: string, help: string, labels: string[], read: Read) =>
    define(Gauge, name, help, labels, read);
  const counter = (name: string, help: string, labels: string[], read: Read) =>
    define(Counter, name, help, labels, read);

  defineWork(gauge, counter);
  defineProviders(gauge);
  defineWebhook(gauge, counter);
  defineCosts(gauge);
  defineBudgets(gauge);
  defineSavings(gauge);
  defineIdle(gauge, counter);
  gauge(
    'alerts_active',
    'Things that wait for a person, by name; see docs/runbook.md.',
    ['name'],
    (snapshot) =>
      ALERT_NAMES.map((name) => ({
        labels: { name },
        value: snapshot.alerts.filter((alert) => alert.name === name).length,
      })),
  );
  new StoredHistogram(registry, takeSnapshot);
  new Gauge({
    name: 'lifecycle_store_up',
    help: 'Whether Redis answered this scrape; without it the other lifecycle metrics are left out.',
    registers: [registry],
    async collect() {
      this.set((await takeSnapshot()) === undefined ? 0 : 1);
    },
  });
  defineProcess(registry);
  return registry;
}

type Define = (name: string, help: string, labels: string[], read: Read) => void;

function defineWork(gauge: Define, counter: Define): void {
  gauge('sandboxes', 'Sandboxes that have not ended.', ['state', 'provider'], ({ sandboxes }) =>
    SANDBOX_STATES.filter((state) => !isEnded(state)).flatMap((state) =>
      seriesOf(sandboxes, state, ['provider']).map(({ labels, value }) => ({
        labels: { state, provider: labels.provider },
        value,
      })),
    ),
  );
  gauge('queue_jobs', 'Attempts in the queue of a provider.', ['provider', 'state'], ({ queues }) =>
    queues.flatMap(({ provider, counts: { waiting, active, delayed, failed } }) =>
      Object.entries({ waiting, active, delayed, failed }).map(([state, value]) => ({
        labels: { provider, state },
        value,
      })),
    ),
  );
  gauge(
    'queue_oldest_waiting_seconds',
    'How long the attempt that waits longest has been ready to run; 0 when none waits.',
    ['provider'],
    ({ queues, atMs }) =>
      queues.map(({ provider, oldestWaitingAtMs: oldest }) => ({
        labels: { provider },
        value: oldest === undefined ? 0 : Math.max(0, atMs - oldest) / 1_000,
      })),
  );
  const attempts = ['provider', 'outcome', 'failure_kind'];
  counter('attempts_total', 'Attempts that ended; failure_kind is none without one.', attempts, (snapshot) =>
    seriesOf(snapshot.measures, 'attempts', attempts),
  );
  counter('operations_total', 'Operations that settled.', ['kind', 'outcome'], ({ measures }) =>
    seriesOf(measures, 'operations', ['kind', 'outcome']),
  );
  counter(
    'index_repairs_total',
    'Entries of indexes that did not agree with their records, and were repaired.',
    ['index'],
    ({ measures }) => {
      const counts = new Map(
        seriesOf(measures, 'healed', ['index']).map(({ labels, value }) => [labels.index, value]),
      );
      return HEALED_INDEXES.map((index) => ({ labels: { index }, value: counts.get(index) ?? 0 }));
    },
  );
  counter('guests_condemned_total', 'Guests that a start left behind.', ['provider'], ({ measures }) =>
    seriesOf(measures, 'condemned', ['provider']),
  );
}

function defineProviders(gauge: Define): void {
  const perProvider = (
    name: string,
    help: string,
    value: (status: MetricsSnapshot['statuses'][number], atMs: number) => number,
  ) =>
    gauge(name, help, ['provider'], ({ statuses, atMs }) =>
      statuses.map((status) => ({ labels: { provider: status.provider }, value: value(status, atMs) })),
    );
  perProvider('provider_healthy', 'Whether its last probe was answered.', ({ healthy }) => Number(healthy));
  perProvider('provider_breaker_open', 'Whether its breaker is open.', ({ breaker }) =>
    Number(breaker === 'open'),
  );
  perProvider('provider_full', 'Whether nothing more fits.', ({ overCapacity }) =>
    Number(overCapacity !== undefined),
  );
  perProvider(
    'provider_status_age_seconds',
    'How long ago a worker said so; workers do every 15 s.',
    ({ publishedAtMs }, atMs) => Math.max(0, atMs - publishedAtMs) / 1_000,
  );

  const nodes = ['provider', 'node', 'what'];
  gauge('node_memory_bytes', 'Memory of a node: total, used, reserved.', nodes, ({ statuses }) =>
    statuses.flatMap(({ provider, capacity }) =>
      (capacity?.nodes ?? []).flatMap(({ node, memoryMib, usedMib, reservedMib }) =>
        Object.entries({ total: memoryMib, used: usedMib, reserved: reservedMib }).map(([what, mib]) => ({
          labels: { provider, node, what },
          value: mib * BYTES_PER_MIB,
        })),
      ),
    ),
  );
  gauge('node_usable', 'Whether a node is online and not cordoned.', ['provider', 'node'], ({ statuses }) =>
    statuses.flatMap(({ provider, capacity }) =>
      (capacity?.nodes ?? []).map(({ node, online, cordoned }) => ({
        labels: { provider, node },
        value: Number(online && !cordoned),
      })),
    ),
  );
  const storages = ['provider', 'node', 'storage', 'what'];
  gauge('storage_bytes', 'Space of a storage: total, used.', storages, ({ statuses }) =>
    statuses.flatMap(({ provider, capacity }) =>
      (capacity?.storages ?? []).flatMap(({ node, storage, totalMib, usedMib }) =>
        Object.entries({ total: totalMib, used: usedMib }).map(([what, mib]) => ({
          labels: { provider, node, storage, what },
          value: mib * BYTES_PER_MIB,
        })),
      ),
    ),
  );
}

function defineWebhook(gauge: Define, counter: Define): void {
  gauge('webhook_backlog', 'Transitions that wait for their delivery.', [], ({ webhook }) => [
    { labels: {}, value: webhook.backlog },
  ]);
  counter(
    'webhook_events_total',
    'Transitions that were delivered, given up (dead) or never kept (dropped).',
    ['outcome'],
    ({ webhook: { delivered, dead, dropped } }) =>
      Object.entries({ delivered, dead, dropped }).map(([outcome, value]) => ({
        labels: { outcome },
        value,
      })),
  );
  counter(
    'webhook_failed_tries_total',
    'Tries after which the webhook is tried again.',
    [],
    ({ webhook }) => [{ labels: {}, value: webhook.failed }],
  );
}

const DURATION_NAME = 'lifecycle_operation_duration_seconds';
const DURATION_HELP =
  'From request to settlement of operations that succeeded: time to running, to pause, to resume.';

/** A histogram whose observations were counted elsewhere. */
class StoredHistogram extends Histogram<'kind' | 'provider'> {
  readonly #takeSnapshot: TakeSnapshot;

  constructor(registry: Registry, takeSnapshot: TakeSnapshot) {
    super({
      name: DURATION_NAME,
      help: DURATION_HELP,
      labelNames: ['kind', 'provider'],
      buckets: [...DURATION_BUCKETS_SECONDS],
      registers: [registry],
    });
    this.#takeSnapshot = takeSnapshot;
  }

  /** What prom-client asks for when it writes text; its types do not mention it. */
  async getForPromString() {
    const { measures = {} } = (await this.#takeSnapshot()) ?? {};
    const values = histogramsOf(measures).flatMap(({ labels, buckets, count, sumSeconds }) => [
      ...buckets.map(({ le, count: value }) => ({
        metricName: `${DURATION_NAME}_bucket`,
        labels: { ...labels, le },
        value,
      })),
      { metricName: `${DURATION_NAME}_sum`, labels, value: sumSeconds },
      { metricName: `${DURATION_NAME}_count`, labels, value: count },
    ]);
    return { name: DURATION_NAME, help: DURATION_HELP, type: 'histogram', aggregator: 'sum', values };
  }
}

/** Gauges that prom-client named like counters, which `promtool check metrics` objects to. */
const MISNAMED = /^nodejs_.*_total$/;

function defineProcess(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) {
    if (MISNAMED.test(name)) registry.removeSingleMetric(name);
  }
}
