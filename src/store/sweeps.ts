/**
 * What is kept of the sweeps: which there are (as their workers announce them), which are paused, and what
 * they did. A pause lasts until somebody ends it, through restarts too.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { isNoteworthy, type SweepPause, type SweepRun, type SweepSchedule } from '../core/sweep.ts';
import type { Keys } from './keys.ts';

export interface SweepAnnouncement {
  readonly description: string;
  readonly schedule: SweepSchedule;
  readonly mayPause: boolean;
  /** It ticks in every process, and has no schedule in its queue. */
  readonly inEachProcess: boolean;
}

export interface SweepRecord extends SweepAnnouncement {
  readonly name: string;
  readonly paused?: SweepPause;
  readonly lastRun?: SweepRun;
  readonly runs: readonly SweepRun[];
}

export interface SweepStore {
  announce(name: string, announcement: SweepAnnouncement): Promise<void>;
  /** By name. */
  list(): Promise<readonly SweepRecord[]>;
  /** `undefined`: no worker ever announced it. */
  announced(name: string): Promise<SweepAnnouncement | undefined>;
  pause(name: string, pause: SweepPause): Promise<void>;
  resume(name: string): Promise<void>;
  isPaused(name: string): Promise<boolean>;
  recordRun(name: string, run: SweepRun): Promise<void>;
}

const announcement = z.object({
  description: z.string(),
  schedule: z.union([
    z.object({ everyMs: z.number() }),
    z.object({ cron: z.string(), timeZone: z.string() }),
  ]),
  mayPause: z.boolean(),
  // Absent in what the first releases announced.
  inEachProcess: z.boolean().default(false),
});
const pause = z.object({ by: z.string(), sinceMs: z.number() });
const run = z.object({
  runId: z.string(),
  startedAtMs: z.number(),
  tookMs: z.number(),
  by: z.string().exactOptional(),
  dryRun: z.boolean(),
  counts: z.record(z.string(), z.number()),
  error: z.string().exactOptional(),
});

/** What a person scrolls through; a day of a sweep that finds something each hour. */
const RUNS_KEPT = 24;

export function createSweepStore(redis: Redis, keys: Keys): SweepStore {
  const { known, paused, last } = keys.sweeps;
  return {
    async announce(name, announced) {
      await redis.hset(known, name, JSON.stringify(announced));
    },

    async list() {
      const [announced, pauses, runs] = await Promise.all(
        [known, paused, last].map((key) => redis.hgetall(key)),
      );
      const names = Object.keys(announced ?? {}).sort();
      return Promise.all(
        names.map(async (name): Promise<SweepRecord> => {
          const [pausedAs, lastRun] = [pauses?.[name], runs?.[name]];
          const noted = await redis.lrange(keys.sweeps.runs(name), 0, RUNS_KEPT - 1);
          return {
            name,
            ...announcement.parse(JSON.parse(announced?.[name] ?? '')),
            ...(pausedAs === undefined ? {} : { paused: pause.parse(JSON.parse(pausedAs)) }),
            ...(lastRun === undefined ? {} : { lastRun: run.parse(JSON.parse(lastRun)) }),
            runs: noted.map((text) => run.parse(JSON.parse(text))),
          };
        }),
      );
    },

    async announced(name) {
      const text = await redis.hget(known, name);
      return text === null ? undefined : announcement.parse(JSON.parse(text));
    },

    async pause(name, as) {
      // The first pause counts: who repeats it does not take it over.
      await redis.hsetnx(paused, name, JSON.stringify(as));
    },
    async resume(name) {
      await redis.hdel(paused, name);
    },
    async isPaused(name) {
      return (await redis.hexists(paused, name)) === 1;
    },

    async recordRun(name, ran) {
      const text = JSON.stringify(ran);
      const pipeline = redis.multi().hset(last, name, text);
      if (isNoteworthy(ran)) {
        const key = keys.sweeps.runs(name);
        pipeline.lpush(key, text).ltrim(key, 0, RUNS_KEPT - 1);
      }
      await pipeline.exec();
    },
  };
}
