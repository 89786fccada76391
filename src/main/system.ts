/** Puts the parts together: the workers of every provider, the sweeps, and the pages, on one Redis. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { BilledBound } from '../core/billed.ts';
import type { Budget } from '../core/budget.ts';
import { dayOf } from '../core/day.ts';
import type { FallbackBound } from '../core/fallback-share.ts';
import { DEFAULT_IDLE_POLICY, type IdlePolicy } from '../core/idle-policy.ts';
import { isSettled } from '../core/operation.ts';
import type { Permits } from '../core/ports.ts';
import type { RoutingPolicy } from '../core/route.ts';
import { slicePrices } from '../core/slice.ts';
import type { Preset } from '../core/start-request.ts';
import type { Logger } from '../platform/log.ts';
import type { PriceBookText } from '../platform/price-book-file.ts';
import { connectRedis } from '../platform/redis.ts';
import { checkRedisSafety, type RedisDurability } from '../platform/redis-safety.ts';
import { createSecretBox } from '../platform/secret-box.ts';
import type { Provider } from '../providers/provider.ts';
import { waitUntilUsable } from '../providers/readiness.ts';
import type { ServicePort } from '../providers/service-ports.ts';
import { createQueues, type Queues } from '../queues/queues.ts';
import { createSubmitter, type Submitter } from '../queues/submit-operation.ts';
import type { OnAlert } from '../store/alerts.ts';
import { createCapacityBook } from '../store/capacity-book.ts';
import type { LeaseTiming } from '../store/claims.ts';
import { createPermits } from '../store/permits.ts';
import { digestParts } from '../store/settings-announcements.ts';
import { createStore, DEFAULT_LEASE, type Store } from '../store/store.ts';
import type { StepObserver } from '../workers/attempt-session.ts';
import { startInstallHeartbeat } from '../workers/install-heartbeat.ts';
import { type LifecycleWorker, startLifecycleWorker } from '../workers/lifecycle-worker.ts';
import { createLocalShare } from '../workers/local-share.ts';
import { startStatusPublisher } from '../workers/publish-status.ts';
import { type SettingsKeeper, startSettingsKeeper } from '../workers/settings-keeper.ts';
import { slotsWithReserve } from '../workers/slot-share.ts';
import { createSuccessTeller, type SuccessTeller } from '../workers/success-teller.ts';
import { startSweepWorker } from '../workers/sweep-worker.ts';
import type { WebhookTarget } from '../workers/webhook/send-event.ts';
import { startWebhookWorker } from '../workers/webhook/webhook-worker.ts';
import type { WorkerDeps } from '../workers/worker-deps.ts';
import type { Backends } from './backends.ts';
import { createProviders } from './providers.ts';

export interface SystemOptions {
  readonly redis: { readonly url: string; readonly durability: RedisDurability };
  readonly deployment: string;
  readonly backends: Backends;
  /** Drivers of the caller's own, besides those of the backends; the benchmark has one without latency. */
  readonly drivers?: readonly Provider[];
  readonly routing: RoutingPolicy;
  readonly presets: readonly Preset[];
  readonly servicePorts?: readonly ServicePort[];
  readonly concurrency: { readonly perWorker: number; readonly perProvider: number };
  readonly timing: {
    readonly unknownHoldMs: number;
    readonly cloneTimeoutMs: number;
    readonly permitWaitMs: number;
    readonly usableTimeoutMs: number;
    readonly startDeadlineMs: number;
  };
  readonly log: Logger;
  readonly secretsKey?: string;
  /** Shorter in tests; in production the defaults are the ones that the guarantees state. */
  readonly recovery?: RecoveryTiming;
  readonly requestTimeoutMs?: number;
  /** The configured half of the one switch. Default on. */
  readonly automaticDestruction?: 'on' | 'off';
  readonly onStep?: StepObserver;
  /** The clock of decisions; tests let it run faster. Leases go by Redis's clock and a monotonic one. */
  readonly nowMs?: () => number;
  /** Where every transition is told; absent: nowhere. */
  readonly webhook?: WebhookTarget;
  /** The longest that anybody may hold a sandbox awake. Default 4 h. */
  readonly maxHoldMs?: number;
  /** Default: the built-in one, in shadow mode. */
  readonly idlePolicy?: IdlePolicy;
  /** Cron patterns of sweeps are read in it. Default UTC. */
  readonly sweepTimeZone?: string;
  /** At which share of starts that fell back an alert is raised. */
  readonly fallbackBound?: FallbackBound;
  /** From which difference between a provider's bill and the ledger an alert is raised. */
  readonly billedBound?: BilledBound;
  /** What things cost; absent: what was published before, else Morph's published prices. */
  readonly priceBook?: PriceBookText;
  /** What may be spent in a month. */
  readonly budgets?: readonly Budget[];
  /** Where the ledger is kept for ever; absent: in Redis alone. */
  readonly ledgerDir?: string;
  /** What runs in this process besides submitting. Default: all. */
  readonly roles?: readonly SystemRole[];
}

export type SystemRole = 'workers' | 'sweeps';

export interface RecoveryTiming {
  readonly lease: LeaseTiming;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** How long a closing worker lets its attempts end before it hands them over. Default 20 s. */
  readonly drainGraceMs?: number;
  /** Default: each sweep's own. */
  readonly sweepEveryMs?: number;
  /** How often schedules and limits in Redis are set again. Default one minute. */
  readonly reassertMs?: number;
  /** How often workers ask their provider how it is and publish it, and announce their settings. Default 15 s. */
  readonly statusEveryMs?: number;
}

export interface System {
  readonly store: Store;
  readonly queues: Queues;
  readonly submitter: Submitter;
  /** Drains within the grace, hands the rest over, then disconnects. */
  close(): Promise<void>;
}

/** Twice the second check always sees a lock that ended: a dead worker's attempts go on within 20 s. */
const DEFAULT_RECOVERY: RecoveryTiming = { lease: DEFAULT_LEASE, lockMs: 10_000, stalledCheckMs: 5_000 };
/** Shorter than the 30 s that process managers wait before SIGKILL. */
const DRAIN_GRACE_MS = 20_000;

/** Longer than an agent's turn, shorter than a night that nobody pays attention to. */
const DEFAULT_MAX_HOLD_MS = 4 * 60 * 60_000;

export async function startSystem(options: SystemOptions): Promise<System> {
  const { log, deployment, recovery = DEFAULT_RECOVERY, roles = ['workers', 'sweeps'] } = options;
  const { nowMs = Date.now } = options;
  const redis = await connectRedis(options.redis.url, {
    role: 'worker',
    onAway: ({ message }) => log.warn({ reason: message }, 'Redis does not answer; trying on'),
    onBack: () => log.info('Redis answers'),
  });
  const closers: (() => Promise<void> | void)[] = [() => redis.disconnect()];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const { warnings } = await checkRedisSafety(redis, options.redis);
    for (const warning of warnings) log.warn(warning);
    const store = createStore(redis, deployment, recovery.lease, logAlert(log));
    const queues = createQueues(redis, store.keys);
    closers.push(store.close, queues.close);
    const submitter = createSubmitter({ store, queues, nowMs });
    const parts = { store, queues, submitter };
    const installed = roles.length > 0 ? await openInstalled(options, parts, closers) : undefined;
    if (roles.includes('workers') && installed) {
      await startWorkers(options, recovery, parts, installed, closers);
    }
    if (roles.includes('workers') && options.webhook) {
      const deps = { store, queue: queues.webhook, log, nowMs };
      const webhook = await startWebhookWorker(deps, { target: options.webhook, ...recovery });
      closers.push(webhook.close);
    }
    if (roles.includes('sweeps') && installed) {
      const { fallbackBound, billedBound, ledgerDir } = options;
      const { idlePolicy = DEFAULT_IDLE_POLICY } = options;
      const sweepDeps = {
        ...endDeps(options, recovery, parts),
        deployment,
        providers: installed.providers,
        ...(fallbackBound ? { fallbackBound } : {}),
        ...(billedBound ? { billedBound } : {}),
        ...(ledgerDir === undefined ? {} : { ledgerDir }),
        idlePolicy,
      };
      const sweeps = await startSweepWorker(sweepDeps, {
        ...recovery,
        timeZone: options.sweepTimeZone ?? 'UTC',
        ...(recovery.sweepEveryMs === undefined ? {} : { everyMs: recovery.sweepEveryMs }),
      });
      closers.push(sweeps.close);
    }
    return { store, queues, submitter, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Installed {
  readonly installId: string;
  readonly permits: Permits;
  readonly providers: readonly Provider[];
}

/** What workers and sweeps share; the heartbeat has beaten before either begins. */
async function openInstalled(
  options: SystemOptions,
  { store, queues }: SystemParts,
  closers: (() => Promise<void> | void)[],
): Promise<Installed> {
  const { log, nowMs = Date.now } = options;
  const installId = await store.deployment.installId();
  await store.automation.configureDestruction(options.automaticDestruction ?? 'on');
  const heartbeat = await startInstallHeartbeat({ store, installId, log, nowMs });
  closers.push(heartbeat.close);
  const permits = createPermits(store, async (operationId) => {
    const operation = await store.reading.operation(operationId);
    if (operation === undefined || isSettled(operation.state)) return false;
    await queues.wake(operation);
    return true;
  });
  const providers = createProviders(store, options.backends, {
    ...options,
    installId,
    permits,
    capacityBook: createCapacityBook(store),
  });
  closers.push(providers.close);
  return { installId, permits, providers: [...providers.all, ...(options.drivers ?? [])] };
}

async function startWorkers(
  options: SystemOptions,
  recovery: RecoveryTiming,
  parts: SystemParts,
  { installId, permits, providers }: Installed,
  closers: (() => Promise<void> | void)[],
): Promise<void> {
  const { store } = parts;
  const { deployment, concurrency } = options;
  const common = {
    ...endDeps(options, recovery, parts),
    waitUntilUsable,
    permits,
    slots: concurrency.perProvider,
    ...(options.secretsKey ? { secretBox: createSecretBox(options.secretsKey) } : {}),
    deployment: { name: deployment, installId },
    workerName: `${hostname()}:${process.pid}`,
    ...(options.onStep ? { onStep: options.onStep } : {}),
  };
  const workers: LifecycleWorker[] = [];
  const tellers: SuccessTeller[] = [];
  closers.push(async () => {
    await Promise.all(workers.map((worker) => worker.close(recovery.drainGraceMs ?? DRAIN_GRACE_MS)));
    await Promise.all(tellers.map((teller) => teller.close()));
  });
  for (const provider of providers) {
    const localShare = createLocalShare(concurrency.perWorker);
    const successes = createSuccessTeller({ ...common, provider });
    tellers.push(successes);
    const deps: WorkerDeps = { ...common, provider, localShare, successes };
    const perWorker = { concurrency: slotsWithReserve(concurrency.perWorker), ...recovery };
    workers.push(await startLifecycleWorker(deps, perWorker));
    const { statusEveryMs } = recovery;
    const publisher = await startStatusPublisher({ ...deps, ...(statusEveryMs ? { statusEveryMs } : {}) });
    closers.push(publisher.close);
  }
  const keeper = await keepSettings(options, recovery, store);
  closers.push(keeper.close);
}

/** Publishes what other processes go by, and keeps it published. */
async function keepSettings(
  options: SystemOptions,
  { statusEveryMs }: RecoveryTiming,
  store: Store,
): Promise<SettingsKeeper> {
  const { routing, presets, timing, priceBook, budgets = [], nowMs = Date.now } = options;
  const { automaticDestruction = 'on' } = options;
  if (priceBook) await store.costs.publishPrices(priceBook);
  const configured = {
    routing,
    presets,
    startDeadlineMs: timing.startDeadlineMs,
    maxHoldMs: options.maxHoldMs ?? DEFAULT_MAX_HOLD_MS,
    ...(budgets.length === 0 ? {} : { budgets }),
    idlePolicy: options.idlePolicy ?? DEFAULT_IDLE_POLICY,
  };
  const startedAtMs = nowMs();
  // They follow from prices and day, which two processes of one configuration may have met differently.
  const slices = slicePrices(await store.costs.prices(), presets, dayOf(startedAtMs));
  const own = {
    process: `${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`,
    startedAtMs,
    parts: digestParts({ ...configured, priceBook, automaticDestruction }),
  };
  const deps = { store, log: options.log, ...(statusEveryMs ? { announceEveryMs: statusEveryMs } : {}) };
  return startSettingsKeeper(deps, own, async () => {
    if (priceBook) await store.costs.publishPrices(priceBook);
    await store.automation.configureDestruction(automaticDestruction);
    await store.deployment.publishSettings({ ...configured, ...(budgets.length === 0 ? {} : { slices }) });
  });
}

function logAlert(log: Logger): OnAlert {
  return (change, { name, subject, message, remediation }) => {
    const facts = { alert: name, subject, ...(remediation === undefined ? {} : { remediation }) };
    if (change === 'raised') log.error(facts, `alert: ${message}`);
    else log.info(facts, `alert cleared: ${message}`);
  };
}

type SystemParts = Pick<System, 'store' | 'queues' | 'submitter'>;

/** What both workers and sweeps need. */
function endDeps(
  { timing, log, nowMs = Date.now }: SystemOptions,
  recovery: RecoveryTiming,
  parts: SystemParts,
) {
  return { ...parts, timing: { ...timing, lease: recovery.lease }, log, nowMs };
}
