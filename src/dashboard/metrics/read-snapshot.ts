/** Everything one scrape shows, in a handful of cheap reads: none of them grows with the number of sandboxes. */
import type { ActiveAlert } from '../../core/alert.ts';
import { PROVIDER_NAMES, type ProviderName } from '../../core/provider-name.ts';
import type { ProviderStatus } from '../../core/route.ts';
import type { QueueCounts } from '../../core/views.ts';
import { oldestWaitingAtMs } from '../../queues/oldest-waiting.ts';
import type { Queues } from '../../queues/queues.ts';
import type { Counts } from '../../store/measures.ts';
import type { Store } from '../../store/store.ts';
import type { WebhookTotals } from '../../store/webhook-outbox.ts';

export interface QueueSnapshot {
  readonly provider: ProviderName;
  readonly counts: QueueCounts;
  readonly oldestWaitingAtMs: number | undefined;
}

export interface MetricsSnapshot {
  readonly atMs: number;
  readonly measures: Counts;
  readonly sandboxes: Counts;
  readonly statuses: readonly ProviderStatus[];
  readonly queues: readonly QueueSnapshot[];
  readonly webhook: WebhookTotals;
  readonly alerts: readonly ActiveAlert[];
}

export interface SnapshotDeps {
  readonly store: Store;
  readonly queues: Queues;
  readonly nowMs: () => number;
}

export async function readSnapshot({ store, queues, nowMs }: SnapshotDeps): Promise<MetricsSnapshot> {
  const [measures, sandboxes, view, webhook, alerts, ...queueSnapshots] = await Promise.all([
    store.measures.counts(),
    store.measures.sandboxes(),
    store.deployment.view(),
    store.webhook.totals(),
    store.alerts.active(),
    ...PROVIDER_NAMES.map(async (provider): Promise<QueueSnapshot> => {
      const queue = queues.byProvider.get(provider);
      return {
        provider,
        counts: await queues.counts(provider),
        oldestWaitingAtMs: queue && (await oldestWaitingAtMs(queue)),
      };
    }),
  ]);
  return {
    atMs: nowMs(),
    measures,
    sandboxes,
    statuses: view?.statuses ?? [],
    queues: queueSnapshots,
    webhook,
    alerts,
  };
}
