/**
 * Runs the sweeps, each in a queue of its own, so that one never delays another. BullMQ's scheduler makes one
 * run per tick for the whole fleet, whichever process asserted it, and global concurrency 1 keeps two runs of one
 * sweep from overlapping. A run whose lock was lost is aborted, for another may have begun. A sweep that ticks in
 * each process has only the runs in its queue that somebody asked for, and those of a release that scheduled it.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Job, Worker } from 'bullmq';
import { didSomething, type SweepCounts, type SweepSchedule } from '../core/sweep.ts';
import {
  type AskedSweep,
  createSweepQueue,
  KEPT_SWEEP_RUNS,
  type SweepJob,
  sweepJobSchema,
} from '../queues/sweep-queues.ts';
import { tellQueueTrouble } from './queue-trouble.ts';
import { requireRightClock } from './right-clock.ts';
import type { Sweep, SweepDeps } from './sweep.ts';
import { compareBilling } from './sweeps/compare-billing.ts';
import { compareCosts } from './sweeps/compare-costs.ts';
import { discardCondemned } from './sweeps/discard-condemned.ts';
import { expire } from './sweeps/expire.ts';
import { flushLedger } from './sweeps/flush-ledger.ts';
import { healIndexes } from './sweeps/heal-indexes.ts';
import { idleSuspend } from './sweeps/idle-suspend.ts';
import { observeSandboxes } from './sweeps/observe-sandboxes.ts';
import { reconcileProviders } from './sweeps/reconcile-provider.ts';
import { renewProviderTtl } from './sweeps/renew-provider-ttl.ts';
import { repairWebhooks } from './sweeps/repair-webhooks.ts';
import { rescueOperations } from './sweeps/rescue-operations.ts';
import { retention } from './sweeps/retention.ts';
import { tallyBudgets } from './sweeps/tally-budgets.ts';
import { watchDeployment } from './sweeps/watch-deployment.ts';

export const SWEEPS = {
  'rescue-operations': {
    schedule: { everyMs: 5_000 },
    run: rescueOperations,
    description: 'Carries on operations whose worker stopped.',
    mayPause: false,
    // Each repair is claimed, so that two passes may meet; and what repairs after a death must not wait for one.
    inEachProcess: true,
  },
  'discard-condemned': {
    schedule: { everyMs: 5_000 },
    run: discardCondemned,
    description: 'Removes guests that failed starts left behind.',
    // A guest has one discard at most, whoever submits it; and until it goes it costs and takes room.
    inEachProcess: true,
  },
  'reconcile-provider': {
    schedule: { cron: '* * * * *' },
    jitterMs: 10_000,
    run: reconcileProviders,
    description: 'Compares what each provider shows with the registry, and brings the registry in line.',
  },
  'renew-provider-ttl': {
    schedule: { everyMs: 15_000 },
    run: renewProviderTtl,
    description: 'Renews the TTL by which Morph pauses a sandbox when this control plane is gone.',
    // Paused, it would let every sandbox at work be paused some hours later.
    mayPause: false,
  },
  'watch-deployment': {
    schedule: { everyMs: 30_000 },
    run: watchDeployment,
    description:
      'Raises and clears the alerts about Redis, the share of starts that fell back, and settings that differ.',
  },
  'observe-sandboxes': {
    schedule: { cron: '* * * * *' },
    run: observeSandboxes,
    description:
      'After a restored dump or a long stop: asks for every sandbox before anything automatic goes on.',
  },
  'compare-costs': {
    schedule: { everyMs: 60 * 60_000 },
    run: compareCosts,
    description: 'Holds what sandboxes cost against what they would have cost under other policies.',
  },
  'tally-budgets': {
    schedule: { everyMs: 60_000 },
    run: tallyBudgets,
    description:
      'Holds what is spent this month against the budgets, and tells of the thresholds that are reached.',
  },
  'heal-indexes': {
    // A piece of some two hundred records: a thousand sandboxes with a week of operations take minutes a round.
    schedule: { everyMs: 5_000 },
    run: healIndexes,
    description: 'Compares every index in Redis with its records, a piece at a time, and repairs it.',
  },
  'repair-webhooks': {
    schedule: { everyMs: 5_000 },
    run: repairWebhooks,
    description: 'Carries on webhook deliveries whose worker stopped.',
  },
  'flush-ledger': {
    schedule: { everyMs: 10_000 },
    run: flushLedger,
    description: 'Writes what guests cost into files and into the tables of their days.',
    mayPause: false,
  },
  'compare-billing': {
    // The bill lags behind; by then the day before is over everywhere.
    schedule: { cron: '41 12 * * *' },
    jitterMs: 60_000,
    run: compareBilling,
    description: 'Holds what providers charged against the ledger, day by day.',
  },
  'idle-suspend': {
    schedule: { everyMs: 15_000 },
    goesByTheClock: true,
    run: idleSuspend,
    description: 'Suspends sandboxes that are known to be idle, or counts them in shadow mode.',
  },
  expire: {
    schedule: { everyMs: 15_000 },
    goesByTheClock: true,
    run: expire,
    description: 'Pauses or destroys sandboxes whose time to live is over.',
  },
  retention: {
    // Days are counted here, and destroys compete with nobody at minute 17.
    schedule: { cron: '17 * * * *' },
    jitterMs: 60_000,
    goesByTheClock: true,
    run: retention,
    description: 'Destroys sandboxes that were paused long ago.',
  },
} as const satisfies Record<string, Sweep>;

export type SweepName = keyof typeof SWEEPS;

export interface SweepWorker {
  close(): Promise<void>;
}

export interface SweepWorkerOptions {
  /** Shortens the intervals in tests; cron patterns stay. */
  readonly everyMs?: number;
  /** IANA name; cron patterns are read in it. */
  readonly timeZone: string;
  /**
   * As for attempts: a run whose worker died holds the sweep's only place until its lock ended and a check
   * saw it, and with BullMQ's defaults that took up to 100 s.
   */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  readonly reassertMs?: number;
  /** What Redis's clock is held against. Default: the clock of this host. */
  readonly hostNowMs?: () => number;
  /** Default: those of this release. */
  readonly sweeps?: Readonly<Record<string, Sweep>>;
}

/** Schedules are asserted again this often, should a hand have removed them. */
const REASSERT_MS = 60_000;

export async function startSweepWorker(deps: SweepDeps, options: SweepWorkerOptions): Promise<SweepWorker> {
  const sweeps: Readonly<Record<string, Sweep>> = options.sweeps ?? SWEEPS;
  const running = await Promise.all(
    Object.entries(sweeps).map(([name, sweep]) => startSweep(deps, options, name, sweep)),
  );
  return {
    async close() {
      await Promise.all(running.map(({ close }) => close()));
    },
  };
}

async function startSweep(deps: SweepDeps, timing: SweepWorkerOptions, name: string, sweep: Sweep) {
  const { store, log } = deps;
  const queue = createSweepQueue(name, store.redis, store.keys);
  const closing = new AbortController();
  // BullMQ passes a signal only to processors that declare three parameters.
  const worker = new Worker<SweepJob>(
    name,
    async (job: Job<SweepJob>, _token?: string, signal?: AbortSignal) => {
      if (job.data.by === undefined) await wait(sweep.jitterMs, closing.signal);
      const asked = { ...sweepJobSchema.parse(job.data), runId: job.id ?? '' };
      return runOnce(deps, timing, name, sweep, asked, signal ?? new AbortController().signal);
    },
    {
      connection: store.redis,
      prefix: store.keys.tag,
      concurrency: 1,
      lockDuration: timing.lockMs,
      stalledInterval: timing.stalledCheckMs,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    },
  );
  const onError = tellQueueTrouble(log, { sweep: name });
  worker.on('error', onError);
  worker.on('lockRenewalFailed', (jobIds: string[]) => {
    for (const id of jobIds) worker.cancelJob(id, 'its lock in the queue was lost');
  });
  worker.on('failed', (_job, error) => log.error({ sweep: name, err: error }, 'sweep failed'));

  const schedule = scheduleOf(sweep, timing);
  async function assertSchedule(): Promise<void> {
    const { description, mayPause = true, inEachProcess = false } = sweep;
    await store.sweeps.announce(name, { description, schedule, mayPause, inEachProcess });
    await queue.setGlobalConcurrency(1);
    // Processes of 0.1.0 tick by a scheduler: it stays for those beside this one, and its runs are passes more. Once no
    // upgrade begins there and nobody rolls back to it, what it left may be removed here.
    if (inEachProcess) return;
    await queue.upsertJobScheduler(
      name,
      'everyMs' in schedule ? { every: schedule.everyMs } : { pattern: schedule.cron, tz: schedule.timeZone },
      { name, data: {}, opts: { removeOnComplete: KEPT_SWEEP_RUNS, removeOnFail: KEPT_SWEEP_RUNS } },
    );
  }
  await assertSchedule();
  const timer = setInterval(() => assertSchedule().catch(onError), timing.reassertMs ?? REASSERT_MS);

  const ticks = startOwnTicks(deps, timing, name, sweep, schedule);

  return {
    async close() {
      clearInterval(timer);
      closing.abort();
      await Promise.all([worker.close(), ticks?.close()]);
      await queue.close();
    },
  };
}

/** The ticks of this process alone, one pass at a time; the first one comes at once. */
function startOwnTicks(
  deps: SweepDeps,
  timing: SweepWorkerOptions,
  name: string,
  sweep: Sweep,
  schedule: SweepSchedule,
) {
  if (!sweep.inEachProcess || !('everyMs' in schedule)) return undefined;
  const closing = new AbortController();
  let pass: Promise<unknown> | undefined;

  function tick(): void {
    // While Redis is away commands wait, and the pass with them.
    pass ??= runOnce(deps, timing, name, sweep, { runId: randomUUID(), dryRun: false }, closing.signal)
      .catch((error: unknown) => deps.log.error({ sweep: name, err: error }, 'sweep failed'))
      .finally(() => {
        pass = undefined;
      });
  }

  tick();
  const timer = setInterval(tick, schedule.everyMs);
  return {
    async close() {
      clearInterval(timer);
      closing.abort();
      await pass;
    },
  };
}

function scheduleOf({ schedule }: Sweep, { everyMs, timeZone }: SweepWorkerOptions): SweepSchedule {
  return 'cron' in schedule ? { cron: schedule.cron, timeZone } : { everyMs: everyMs ?? schedule.everyMs };
}

/** Ends early when the process is closing: a tick that was taken is carried out. */
async function wait(jitterMs: number | undefined, closing: AbortSignal): Promise<void> {
  if (jitterMs) await delay(Math.random() * jitterMs, undefined, { signal: closing }).catch(() => undefined);
}

type AskedRun = AskedSweep & { readonly runId: string };

async function runOnce(
  deps: SweepDeps,
  { hostNowMs = Date.now }: SweepWorkerOptions,
  name: string,
  { run, goesByTheClock }: Sweep,
  { by, dryRun, runId }: AskedRun,
  signal: AbortSignal,
): Promise<SweepCounts | 'paused'> {
  const { store, nowMs, log } = deps;
  if (by === undefined && (await store.sweeps.isPaused(name))) return 'paused';

  const startedAtMs = nowMs();
  const began = performance.now();
  const record = (counts: SweepCounts, error?: string) =>
    store.sweeps.recordRun(name, {
      runId,
      startedAtMs,
      tookMs: Math.round(performance.now() - began),
      ...(by === undefined ? {} : { by }),
      dryRun,
      counts,
      ...(error === undefined ? {} : { error }),
    });
  try {
    if (goesByTheClock && !dryRun) await requireRightClock(store, hostNowMs);
    const counts = await run(deps, { dryRun, signal });
    if (didSomething(counts)) log.info({ sweep: name, dryRun, ...counts }, 'sweep');
    await record(counts);
    return counts;
  } catch (error) {
    await record({}, error instanceof Error ? error.message : String(error));
    throw error;
  }
}
