import type { Redis } from 'ioredis';
import { type AccessStore, createAccessStore } from './access.ts';
import { type ActivityStore, createActivityStore } from './activity.ts';
import { type Adjusting, createAdjusting } from './adjusting.ts';
import { type AlertStore, createAlertStore, type OnAlert } from './alerts.ts';
import { type AttemptWrites, createAttemptWrites } from './attempt-writes.ts';
import { type AuditLog, createAuditLog } from './audit.ts';
import { type AutomationStore, createAutomationStore } from './automation.ts';
import { type BilledDays, createBilledDays } from './billed-days.ts';
import { type Breakers, createBreakers } from './breakers.ts';
import { type BudgetStore, createBudgets } from './budgets.ts';
import { type Claims, createClaims, type LeaseTiming } from './claims.ts';
import { type CostLineStore, createCostLines } from './cost-lines.ts';
import { type CostsStore, createCosts } from './costs.ts';
import { createDeploymentStore, type DeploymentStore } from './deployment.ts';
import { createEventLog, type EventLog } from './event-log.ts';
import { createHealing, type Healing } from './healing.ts';
import { createHistoryReader, type HistoryReader } from './histories.ts';
import { createIdempotencyStore, type IdempotencyStore } from './idempotency.ts';
import { createIdleStore, type IdleStore } from './idle.ts';
import { createInventory, type Inventory } from './inventory.ts';
import { createKeys, type Keys } from './keys.ts';
import { createLedger, type LedgerStore } from './ledger.ts';
import { createListing, type Listing } from './listing.ts';
import { createMeasures, type Measures } from './measures.ts';
import { createMemoryWatch, type MemoryWatch } from './memory-watch.ts';
import { createReading, type Reading } from './reading.ts';
import { createRenewals, type Renewals } from './renewals.ts';
import { createRestoring, type Restoring } from './restoring.ts';
import { createSavings, type SavingsStore } from './savings.ts';
import { createScripts, type Scripts } from './scripts.ts';
import { createSettingsAnnouncements, type SettingsAnnouncements } from './settings-announcements.ts';
import { createSettlements, type Settlements } from './settlements.ts';
import { createStartCounts, type StartCountStore } from './start-counts.ts';
import { createSubmission, type Submission } from './submission.ts';
import { createSweepStore, type SweepStore } from './sweeps.ts';
import { type BeginTransaction, createTransactions } from './transaction.ts';
import { createWebhookOutbox, type WebhookOutbox } from './webhook-outbox.ts';

/** Everything that is kept in Redis for one deployment, but for BullMQ's own queues. */
export interface Store {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly begin: BeginTransaction;
  readonly reading: Reading;
  readonly listing: Listing;
  readonly submission: Submission;
  readonly adjusting: Adjusting;
  readonly idempotency: IdempotencyStore;
  readonly claims: Claims;
  readonly attempts: AttemptWrites;
  readonly deployment: DeploymentStore;
  /** Whose settings are in force, and who has others. */
  readonly announcements: SettingsAnnouncements;
  /** What may happen without anybody asking. */
  readonly automation: AutomationStore;
  readonly inventory: Inventory;
  /** Repairs indexes from records. */
  readonly healing: Healing;
  readonly restoring: Restoring;
  /** Whose TTL at the provider is to be renewed when. */
  readonly renewals: Renewals;
  readonly settlements: Settlements;
  readonly events: EventLog;
  readonly access: AccessStore;
  readonly audit: AuditLog;
  readonly webhook: WebhookOutbox;
  readonly measures: Measures;
  readonly ledger: LedgerStore;
  readonly budgets: BudgetStore;
  readonly histories: HistoryReader;
  readonly savings: SavingsStore;
  readonly costLines: CostLineStore;
  readonly costs: CostsStore;
  readonly billedDays: BilledDays;
  readonly idle: IdleStore;
  readonly alerts: AlertStore;
  readonly breakers: Breakers;
  readonly startCounts: StartCountStore;
  readonly memory: MemoryWatch;
  readonly sweeps: SweepStore;
  readonly activity: ActivityStore;
  /** Closes what the store opened itself; the connection it was given stays its owner's. */
  close(): Promise<void>;
}

/** Recovery after a worker's death takes about the lease plus a queue check: shorter is faster, and less patient with pauses of the process. */
export const DEFAULT_LEASE: LeaseTiming = { leaseMs: 10_000, sendDeadlineMs: 2_000 };

/** @param onAlert called for each alert that this process raised or cleared: its line in the log */
export function createStore(
  redis: Redis,
  deployment: string,
  timing: LeaseTiming = DEFAULT_LEASE,
  onAlert: OnAlert = () => undefined,
): Store {
  const keys = createKeys(deployment);
  const scripts = createScripts(redis);
  const begin = createTransactions(keys, scripts);
  const reading = createReading(redis, keys, scripts);
  const settlements = createSettlements(redis, keys, reading);
  const events = createEventLog(redis, keys);
  const alerts = createAlertStore({ redis, keys, scripts, onAlert });
  const ledger = createLedger({ redis, keys, scripts });
  const costLines = createCostLines(redis, keys);
  const billedDays = createBilledDays(redis, keys);
  return {
    redis,
    keys,
    scripts,
    begin,
    reading,
    listing: createListing(redis, keys),
    submission: createSubmission(begin, keys),
    adjusting: createAdjusting(begin, keys),
    idempotency: createIdempotencyStore(redis, begin, keys),
    claims: createClaims({ keys, scripts, reading, begin, timing }),
    attempts: createAttemptWrites(keys, reading),
    deployment: createDeploymentStore(redis, keys, reading),
    announcements: createSettingsAnnouncements(redis, keys),
    automation: createAutomationStore({ redis, keys, scripts }),
    inventory: createInventory({ redis, keys, begin }),
    healing: createHealing({ redis, keys, scripts, begin }),
    restoring: createRestoring(begin, keys),
    renewals: createRenewals({ redis, keys, begin }),
    settlements,
    events,
    access: createAccessStore({ redis, keys, scripts, begin }),
    audit: createAuditLog(redis, keys),
    measures: createMeasures(redis, keys),
    alerts,
    startCounts: createStartCounts(redis, keys),
    memory: createMemoryWatch(redis),
    breakers: createBreakers({ redis, keys, begin, alerts }),
    ledger,
    costs: createCosts({ redis, keys, ledger, billedDays, costLines }),
    billedDays,
    idle: createIdleStore(redis, keys, begin),
    sweeps: createSweepStore(redis, keys),
    budgets: createBudgets(redis, keys, scripts),
    histories: createHistoryReader(redis, keys),
    savings: createSavings(redis, keys),
    costLines,
    activity: createActivityStore({ redis, keys, scripts }),
    webhook: createWebhookOutbox({ redis, keys, scripts, deployment }),
    async close() {
      events.close();
      await settlements.close();
    },
  };
}
