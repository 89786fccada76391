/**
 * One queue per sweep. Its schedule makes one run per tick for the whole fleet; a person may ask for a run, or
 * a dry one, besides. Whoever asks needs nothing but Redis: the sweeps are known as their workers announced them.
 */
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { LifecycleError } from '../core/lifecycle-error.ts';
import type { SweepView } from '../core/sweep.ts';
import type { Keys } from '../store/keys.ts';
import type { SweepRecord, SweepStore } from '../store/sweeps.ts';

/** What a job of a sweep carries; the schedule's own carry nothing. */
export const sweepJobSchema = z.object({
  by: z.string().exactOptional(),
  dryRun: z.boolean().default(false),
});
export type SweepJob = z.input<typeof sweepJobSchema>;
/** A run as its worker takes it. */
export type AskedSweep = z.output<typeof sweepJobSchema>;

export interface SweepControl {
  /** By name, with last runs, next run and whether it is paused. */
  list(): Promise<readonly SweepView[]>;
  /**
   * Runs it now, paused or not, after the run that is under way. Asked again before that run ended, it is one.
   * @throws `LifecycleError` `not_found`
   */
  run(name: string, request: { readonly by: string; readonly dryRun: boolean }): Promise<{ runId: string }>;
  /**
   * From the next tick on, until `resume`. A run under way ends.
   * @throws `LifecycleError` `not_found`, `wrong_state` where it may not be paused
   */
  pause(name: string, by: string): Promise<void>;
  resume(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface SweepControlDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly sweeps: SweepStore;
  readonly nowMs: () => number;
}

/** Runs kept on the board; what they did is in the sweep's record and in the metrics. */
export const KEPT_SWEEP_RUNS = { count: 100 };

/** Ticks that may fail to come, as on a busy machine, before no process is said to run the sweep. */
const TICKS_MISSED = 6;

export function createSweepQueue(name: string, redis: Redis, keys: Keys): Queue<SweepJob> {
  const queue = new Queue<SweepJob>(name, { connection: redis, prefix: keys.tag });
  // BullMQ passes the connection's errors on; whoever made the connection logs them.
  queue.on('error', () => undefined);
  return queue;
}

export function createSweepControl({ redis, keys, sweeps, nowMs }: SweepControlDeps): SweepControl {
  const queues = new Map<string, Queue<SweepJob>>();

  function queueOf(name: string): Queue<SweepJob> {
    const queue = queues.get(name) ?? createSweepQueue(name, redis, keys);
    queues.set(name, queue);
    return queue;
  }

  async function known(name: string) {
    const announced = await sweeps.announced(name);
    if (announced) return announced;
    throw new LifecycleError({ code: 'not_found', message: `there is no sweep ${name}`, retryable: false });
  }

  return {
    async list() {
      return Promise.all(
        (await sweeps.list()).map(async (record): Promise<SweepView> => {
          const scheduler = await queueOf(record.name).getJobScheduler(record.name);
          const { inEachProcess, ...view } = record;
          const nextAtMs = inEachProcess ? nextOwnTick(record, nowMs()) : scheduler?.next;
          return { ...view, ...(nextAtMs === undefined ? {} : { nextAtMs }) };
        }),
      );
    },

    async run(name, { by, dryRun }) {
      await known(name);
      const job = await queueOf(name).add(
        `${dryRun ? 'dry run' : 'run'} for ${by}`,
        { by, dryRun },
        {
          deduplication: { id: dryRun ? 'dry-run' : 'run' },
          removeOnComplete: KEPT_SWEEP_RUNS,
          removeOnFail: KEPT_SWEEP_RUNS,
        },
      );
      return { runId: job.id ?? '' };
    },

    async pause(name, by) {
      if (!(await known(name)).mayPause) {
        throw new LifecycleError({
          code: 'wrong_state',
          message: `${name} cannot be paused: without it operations of a worker that died are never carried on`,
          retryable: false,
        });
      }
      await sweeps.pause(name, { by, sinceMs: nowMs() });
    },

    async resume(name) {
      await known(name);
      await sweeps.resume(name);
    },

    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

/** Some process ticks by then; none does where the last tick is long past. */
function nextOwnTick({ schedule, lastRun }: SweepRecord, nowMs: number): number | undefined {
  if (lastRun === undefined || !('everyMs' in schedule)) return undefined;
  const { everyMs } = schedule;
  return nowMs - lastRun.startedAtMs < everyMs * TICKS_MISSED ? lastRun.startedAtMs + everyMs : undefined;
}
