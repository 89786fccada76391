/** Everything one scrape shows, in a handful of cheap reads: only what is open in the ledger grows with the guests. */
import type { ActiveAlert } from '../../core/alert.ts';
import type { BudgetsView } from '../../core/budget.ts';
import { monthStartMs, monthText } from '../../core/day.ts';
import { fallbackCost } from '../../core/fallback-cost.ts';
import { PROVIDER_NAMES, type ProviderName } from '../../core/provider-name.ts';
import type { ProviderStatus } from '../../core/route.ts';
import type { SavingsView } from '../../core/savings.ts';
import type { QueueCounts } from '../../core/views.ts';
import { oldestWaitingAtMs } from '../../queues/oldest-waiting.ts';
import type { Queues } from '../../queues/queues.ts';
import type { GateReport } from '../../store/idle.ts';
import type { Counts } from '../../store/measures.ts';
import type { Store } from '../../store/store.ts';
import type { WebhookTotals } from '../../store/webhook-outbox.ts';
import type { CostSnapshot } from './cost-metrics.ts';

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
  readonly costs: CostSnapshot;
  readonly budgets: BudgetsView;
  /** Of this month alone. */
  readonly savings: SavingsView;
  /** Absent until the sweep `idle-suspend` has run once. */
  readonly idleGate: GateReport | undefined;
  /** Sandboxes that a sweep is to look at now: its backlog. */
  readonly due: Readonly<Record<DueSweep, number>>;
}

export type DueSweep = 'idle-suspend' | 'expire' | 'retention';

export interface SnapshotDeps {
  readonly store: Store;
  readonly queues: Queues;
  readonly nowMs: () => number;
}

export async function readSnapshot({ store, queues, nowMs }: SnapshotDeps): Promise<MetricsSnapshot> {
  const now = nowMs();
  const [measures, sandboxes, view, webhook, alerts, costs, savings, idleGate, due, ...queueSnapshots] =
    await Promise.all([
      store.measures.counts(),
      store.measures.sandboxes(),
      store.deployment.view(),
      store.webhook.totals(),
      store.alerts.active(),
      readCosts(store, now),
      store.savings.read({ fromMs: monthStartMs(now), toMs: now }),
      store.idle.gate(),
      readDue(store, now),
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
    atMs: now,
    measures,
    sandboxes,
    statuses: view?.statuses ?? [],
    queues: queueSnapshots,
    webhook,
    alerts,
    costs,
    budgets: await store.budgets.read(view?.settings.budgets ?? [], monthText(now)),
    savings,
    idleGate,
    due,
  };
}

async function readDue({ activity, idle }: Store, nowMs: number): Promise<MetricsSnapshot['due']> {
  const [idleSuspend, expire, retention] = await Promise.all([
    activity.dueCount(nowMs),
    idle.dueCount('expiry', nowMs),
    idle.dueCount('retention', nowMs),
  ]);
  return { 'idle-suspend': idleSuspend, expire, retention };
}

/** By provider there are few lines: one each for what it was meant for, and two for each node. */
const MAX_LINES = 1_000;

async function readCosts(store: Store, nowMs: number): Promise<CostSnapshot> {
  const time = { fromMs: monthStartMs(nowMs), toMs: nowMs, nowMs };
  const [ratesPerHour, month, backlog] = await Promise.all([
    store.costs.ratesPerHour(nowMs),
    store.costs.read({ ...time, groupBy: ['provider', 'meantFor'], limit: MAX_LINES }),
    store.ledger.backlog(),
  ]);
  const guests = month.lines.filter(({ kind }) => kind === 'allocated');
  const byProvider = Object.fromEntries(
    PROVIDER_NAMES.map((name) => [
      name,
      guests
        .filter(({ group }) => group.provider === name)
        .reduce((total, { microUsd }) => total + microUsd, 0),
    ]),
  );
  const fallbacksMicroUsd = fallbackCost(guests).microUsd;
  return { ratesPerHour, month: { ...month, byProvider, fallbacksMicroUsd }, backlog };
}
