/**
 * Runs the sweeps, each in a queue of its own, so that one never delays another. BullMQ's scheduler makes one
 * run per tick for the whole fleet, and global concurrency 1 keeps two runs of one sweep from overlapping.
 */
import { Queue, Worker } from 'bullmq';
import type { EndDeps } from './end-attempt.ts';
import { discardCondemned } from './sweeps/discard-condemned.ts';
import { repairWebhooks } from './sweeps/repair-webhooks.ts';
import { rescueOperations } from './sweeps/rescue-operations.ts';

export const SWEEPS = {
  'rescue-operations': {
    everyMs: 5_000,
    run: rescueOperations,
    description: 'Carries on operations whose worker stopped.',
  },
  'discard-condemned': {
    everyMs: 5_000,
    run: discardCondemned,
    description: 'Removes guests that failed starts left behind.',
  },
  'repair-webhooks': {
    everyMs: 5_000,
    run: repairWebhooks,
    description: 'Carries on webhook deliveries whose worker stopped.',
  },
} as const;

export type SweepName = keyof typeof SWEEPS;

export interface SweepWorker {
  close(): Promise<void>;
}

export interface SweepWorkerOptions {
  /** Shortens the intervals in tests. */
  readonly everyMs?: number;
  /**
   * As for attempts: a run whose worker died holds the sweep's only place until its lock ended and a check
   * saw it, and with BullMQ's defaults that took up to 100 s.
   */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
}

/** Runs kept on the board; the counts of what they did are in the metrics. */
const KEPT_RUNS = { count: 100 };
/** Schedules are asserted again this often, should a hand have removed them. */
const REASSERT_MS = 60_000;

export async function startSweepWorker(deps: EndDeps, options: SweepWorkerOptions): Promise<SweepWorker> {
  const names = Object.keys(SWEEPS) as SweepName[];
  const running = await Promise.all(names.map((name) => startSweep(deps, options, name)));
  return {
    async close() {
      await Promise.all(running.map(({ close }) => close()));
    },
  };
}

async function startSweep(deps: EndDeps, timing: SweepWorkerOptions, name: SweepName) {
  const sweep = SWEEPS[name];
  const options = { connection: deps.store.redis, prefix: deps.store.keys.tag };
  const queue = new Queue(name, options);
  const worker = new Worker(
    name,
    async () => {
      const counts = await sweep.run(deps);
      const { looked, due, ...done } = { looked: 0, due: 0, ...counts };
      if (Object.values(done).some((count) => count > 0)) deps.log.info({ sweep: name, ...counts }, 'sweep');
      return counts;
    },
    {
      ...options,
      concurrency: 1,
      lockDuration: timing.lockMs,
      stalledInterval: timing.stalledCheckMs,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    },
  );
  const onError = (error: Error) => deps.log.warn({ sweep: name, err: error }, 'queue connection trouble');
  queue.on('error', onError);
  worker.on('error', onError);
  worker.on('failed', (_job, error) => deps.log.error({ sweep: name, err: error }, 'sweep failed'));

  async function assertSchedule(): Promise<void> {
    await queue.setGlobalConcurrency(1);
    await queue.upsertJobScheduler(
      name,
      { every: timing.everyMs ?? sweep.everyMs },
      { name, opts: { removeOnComplete: KEPT_RUNS, removeOnFail: KEPT_RUNS } },
    );
  }
  await assertSchedule();
  const timer = setInterval(() => assertSchedule().catch(onError), REASSERT_MS);

  return {
    async close() {
      clearInterval(timer);
      await worker.close();
      await queue.close();
    },
  };
}
