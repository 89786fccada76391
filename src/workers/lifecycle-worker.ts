/**
 * The BullMQ worker of one provider. It translates between jobs and attempts and holds no opinion: parking
 * is a delayed job, a failed attempt is a failed job with its reason, a lost lock aborts the attempt.
 */
import { DelayedError, type Job, Worker } from 'bullmq';
import { type AttemptJob, queueName } from '../queues/queues.ts';
import { HandOverError } from './attempt-session.ts';
import { tellQueueTrouble } from './queue-trouble.ts';
import { runAttempt } from './run-attempt.ts';
import { slotsWithReserve } from './slot-share.ts';
import type { WorkerDeps } from './worker-deps.ts';

export interface LifecycleWorkerOptions {
  /** Attempts at once in this process. */
  readonly concurrency: number;
  /** How long BullMQ's lock on a job lasts without renewal, and how often abandoned jobs are looked for. */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** How often the limit of the queue is set again. Default one minute. */
  readonly reassertMs?: number;
}

export interface LifecycleWorker {
  /** Takes no new job, lets running attempts end for `graceMs`, then hands them over. */
  close(graceMs: number): Promise<void>;
}

/**
 * A record whose write comes behind its job takes a round trip more, which may be long from a far or busy
 * process. The waits grow by this much each time and come to a second in all; longer ones would only keep
 * jobs whose request was refused.
 */
const LATE_RECORD_PARK_MS = 100;
const LATE_RECORD_LOOKS = 4;
/** A limit that a hand removed is away for this long at most. */
const REASSERT_MS = 60_000;
/** A job found abandoned this often is not BullMQ's to judge any more; rescue still answers for it. */
const MAX_STALLED_COUNT = 10;

export async function startLifecycleWorker(
  deps: WorkerDeps,
  { concurrency, lockMs, stalledCheckMs, reassertMs }: LifecycleWorkerOptions,
): Promise<LifecycleWorker> {
  const { provider, log } = deps;
  const shutdown = new AbortController();

  // BullMQ passes a signal only to processors that declare three parameters.
  async function processJob(job: Job<AttemptJob>, token?: string, signal?: AbortSignal) {
    const signals = signal ? [signal, shutdown.signal] : [shutdown.signal];
    const result = await runAttempt(deps, job.data, AbortSignal.any(signals));
    switch (result.result) {
      case 'succeeded':
        return result.summary;
      case 'skipped':
        return `nothing to do: ${result.why}`;
      case 'failed':
        throw new AttemptFailedError(result.reason);
      case 'unrecorded':
        return awaitRecord(job, token);
      case 'parked':
        return park(job, result.delayMs, result.why, token);
    }
  }

  /** Where Redis had forgotten the script of the write, the job that was sent behind it came first. */
  async function awaitRecord(job: Job<AttemptJob>, token?: string): Promise<string> {
    const { recordLooks = 0 } = job.data;
    if (recordLooks >= LATE_RECORD_LOOKS) {
      return 'nothing to do: the request lost a race, or its record is no longer kept';
    }
    // In the job itself: it may have been parked for other reasons, and be taken by another process next.
    await job.updateData({ ...job.data, recordLooks: recordLooks + 1 });
    return park(job, LATE_RECORD_PARK_MS * (recordLooks + 1), 'its record may still come', token);
  }

  async function park(job: Job<AttemptJob>, delayMs: number, why: string, token?: string): Promise<never> {
    await job.log(`parked for ${delayMs} ms: ${why}`);
    await job.moveToDelayed(deps.nowMs() + delayMs, token);
    throw new DelayedError();
  }

  const limits = await keepGlobalConcurrency(deps, reassertMs);
  const worker = new Worker<AttemptJob>(queueName(provider.name), processJob, {
    connection: deps.store.redis,
    prefix: deps.store.keys.tag,
    concurrency,
    lockDuration: lockMs,
    stalledInterval: stalledCheckMs,
    maxStalledCount: MAX_STALLED_COUNT,
  });
  worker.on('error', tellQueueTrouble(log, { provider: provider.name }));
  worker.on('lockRenewalFailed', (jobIds: string[]) => {
    for (const id of jobIds) worker.cancelJob(id, 'its lock in the queue was lost');
  });
  worker.on('failed', (job, error) => {
    // An attempt's own failure is logged with its facts where it was judged.
    if (error.name !== AttemptFailedError.name) {
      log.error(
        { jobId: job?.id, provider: provider.name, err: error },
        'attempt crashed; rescue carries on',
      );
    }
  });
  await worker.waitUntilReady();

  return {
    async close(graceMs) {
      clearInterval(limits);
      const drained = worker.close();
      const timer = setTimeout(() => shutdown.abort(new HandOverError('the worker shuts down')), graceMs);
      await drained;
      clearTimeout(timer);
    },
  };
}

/** How many jobs of a provider run at once, all workers together, is kept in Redis, where a hand may remove it. */
async function keepGlobalConcurrency(
  { queues, provider, slots, log }: WorkerDeps,
  reassertMs = REASSERT_MS,
): Promise<NodeJS.Timeout> {
  const queue = queues.byProvider.get(provider.name);
  const assert = () => queue?.setGlobalConcurrency(slotsWithReserve(slots));
  await assert();
  return setInterval(() => {
    assert()?.catch(tellQueueTrouble(log, { provider: provider.name }));
  }, reassertMs);
}

/** The attempt failed and everything about it is on record: the board shows its message. */
class AttemptFailedError extends Error {
  override readonly name = 'AttemptFailedError';
  /** The board prints it: where in our code it was thrown would tell nobody anything. */
  override readonly stack = `AttemptFailedError: ${this.message}`;
}
