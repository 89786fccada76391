/**
 * What the sweeps `idle-suspend`, `expire` and `retention` remember from look to look, what suspensions were worth
 * per day, and the indexes that say when to look. Each look is written by itself: a crash in between costs a look.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { LifecycleEvents } from '../core/events.ts';
import {
  addCounts,
  type EpisodeCounts,
  GATE_DAYS,
  type IdleGate,
  NO_EPISODES,
} from '../core/idle-episode.ts';
import type { IdleRecord, LookPlan } from '../core/idle-plan.ts';
import { IDLE_MODES } from '../core/idle-policy.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { RetentionWatch } from '../core/retention.ts';
import { emit } from './events.ts';
import type { Keys } from './keys.ts';
import type { BeginTransaction } from './transaction.ts';

export interface IdleLook {
  readonly sandboxId: string;
  readonly provider: ProviderName;
  readonly plan: LookPlan;
}

export interface IdleDay {
  /** `YYYY-MM-DD`, UTC. */
  readonly day: string;
  readonly shadow: EpisodeCounts;
  readonly enforce: EpisodeCounts;
}

export interface GateReport extends IdleGate {
  /** Over the days that the gate looks at. */
  readonly counts: EpisodeCounts;
  readonly atMs: number;
}

export interface Upcoming {
  readonly sandboxId: string;
  readonly atMs: number;
}

export type DueIndex = 'expiry' | 'retention';

export interface IdleStore {
  /** In the order asked for; an empty one where nothing is known. */
  records(ids: readonly string[]): Promise<readonly IdleRecord[]>;
  note(looks: readonly IdleLook[], nowMs: number): Promise<void>;
  /** Keeps the receipt of a decision in the log and in the sandbox's history. */
  keepReceipt(receipt: DecisionReceipt, nowMs: number): Promise<void>;
  /** Newest first. */
  days(count: number, nowMs: number): Promise<readonly IdleDay[]>;
  /** Sandboxes by when they will be suspended if nothing happens, the next first. */
  upcoming(limit: number, fromMs?: number): Promise<readonly Upcoming[]>;
  publishGate(report: GateReport): Promise<void>;
  gate(): Promise<GateReport | undefined>;
  due(index: DueIndex, nowMs: number, limit: number): Promise<readonly string[]>;
  dueCount(index: DueIndex, nowMs: number): Promise<number>;
  /** Only while it is in the index. */
  lookAgain(index: DueIndex, id: string, atMs: number): Promise<void>;
  /** Nothing is left to look for. */
  done(index: DueIndex, id: string): Promise<void>;
  retentionWatch(id: string): Promise<RetentionWatch | undefined>;
  watchRetention(id: string, watch: RetentionWatch): Promise<void>;
}

export type DecisionReceipt = LifecycleEvents['sandbox.judged'];

/** Longer than any sandbox of use lies paused between two looks at its idleness. */
const WATCH_RETENTION_MS = 30 * 86_400_000;
/** A month of days, so that two months can be compared at its end. */
const DAYS_RETENTION_MS = 35 * 86_400_000;
/** Two looks that agree are an hour apart; after three days without one they are two stories. */
const RETENTION_WATCH_MS = 3 * 86_400_000;
const DAY_MS = 86_400_000;

const episodeMode = z.enum(['shadow', 'enforce']);
const recordSchema = z.object({
  watch: z
    .object({
      quietSinceMs: z.number(),
      lookedAtMs: z.number(),
      sequence: z.number(),
      observable: z.boolean(),
    })
    .exactOptional(),
  episode: z.object({ mode: episodeMode, sinceMs: z.number(), countedMs: z.number() }).exactOptional(),
});
const gateSchema = z.object({
  mode: z.enum(IDLE_MODES),
  configured: z.enum(IDLE_MODES),
  heldBack: z.string().exactOptional(),
  counts: z.object({ suspended: z.number(), savedMs: z.number(), usedAgain: z.number() }),
  atMs: z.number(),
});
const retentionSchema = z.object({ dueSinceMs: z.number(), version: z.number() });

export function createIdleStore(redis: Redis, keys: Keys, begin: BeginTransaction): IdleStore {
  const indexes: Readonly<Record<DueIndex, string>> = {
    expiry: keys.expiryDue,
    retention: keys.retentionDue,
  };
  return {
    async records(ids) {
      if (ids.length === 0) return [];
      const texts = await redis.mget(ids.map((id) => keys.idle.watch(id)));
      return texts.map((text) => (text === null ? {} : recordSchema.parse(JSON.parse(text))));
    },

    async note(looks, nowMs) {
      if (looks.length > 0) await noteLooks(redis, keys, looks, nowMs);
    },

    async keepReceipt(receipt, nowMs) {
      const transaction = begin();
      emit(transaction, keys, 'sandbox.judged', nowMs, receipt);
      await transaction.commit();
    },

    async days(count, nowMs) {
      const names = Array.from({ length: count }, (_, back) => dayOf(nowMs - back * DAY_MS));
      const pipeline = redis.pipeline();
      for (const day of names) pipeline.hgetall(keys.idle.day(day));
      const replies = (await pipeline.exec()) ?? [];
      return names.map((day, index) => {
        const [error, fields] = replies[index] ?? [undefined, {}];
        if (error) throw error;
        return { day, ...countsOf(fields as Readonly<Record<string, string>>) };
      });
    },

    async upcoming(limit, fromMs) {
      const from = fromMs ?? '-inf';
      const index = keys.idle.upcoming;
      const flat = await redis.zrange(index, from, '+inf', 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES');
      return flat.flatMap((id, index) =>
        index % 2 === 0 ? [{ sandboxId: id, atMs: Number(flat[index + 1]) }] : [],
      );
    },

    async publishGate(report) {
      await redis.set(keys.idle.gate, JSON.stringify(report));
    },
    async gate() {
      const text = await redis.get(keys.idle.gate);
      return text === null ? undefined : gateSchema.parse(JSON.parse(text));
    },

    due: (index, nowMs, limit) => redis.zrange(indexes[index], '-inf', nowMs, 'BYSCORE', 'LIMIT', 0, limit),
    dueCount: (index, nowMs) => redis.zcount(indexes[index], '-inf', nowMs),
    async lookAgain(index, id, atMs) {
      await redis.zadd(indexes[index], 'XX', atMs, id);
    },
    async done(index, id) {
      await redis.zrem(indexes[index], id);
    },

    async retentionWatch(id) {
      const text = await redis.get(keys.retentionWatch(id));
      return text === null ? undefined : retentionSchema.parse(JSON.parse(text));
    },
    async watchRetention(id, watch) {
      await redis.set(keys.retentionWatch(id), JSON.stringify(watch), 'PX', RETENTION_WATCH_MS);
    },
  };
}

/** What the gate looks at: both modes count, for what was regretted in thought would have been in deed. */
export function gateCounts(days: readonly IdleDay[]): EpisodeCounts {
  return days
    .slice(0, GATE_DAYS)
    .flatMap(({ shadow, enforce }) => [shadow, enforce])
    .reduce(addCounts, NO_EPISODES);
}

async function noteLooks(redis: Redis, keys: Keys, looks: readonly IdleLook[], nowMs: number): Promise<void> {
  const pipeline = redis.multi();
  const day = keys.idle.day(dayOf(nowMs));
  for (const { sandboxId, provider, plan } of looks) {
    const { record, lookAgainAtMs, suspendAtMs, counts, mode } = plan;
    if (record.watch === undefined && record.episode === undefined) pipeline.del(keys.idle.watch(sandboxId));
    else pipeline.set(keys.idle.watch(sandboxId), JSON.stringify(record), 'PX', WATCH_RETENTION_MS);
    pipeline.zadd(keys.idleDue, 'XX', lookAgainAtMs, sandboxId);
    if (suspendAtMs === undefined) pipeline.zrem(keys.idle.upcoming, sandboxId);
    else pipeline.zadd(keys.idle.upcoming, suspendAtMs, sandboxId);
    for (const [what, count] of Object.entries(counts)) {
      if (count === 0) continue;
      pipeline.hincrby(day, `${mode}|${what}`, Math.round(count));
      // What was counted and then did not happen is a count of its own: those of the metrics only rise.
      const measure = count < 0 ? 'forgotten' : what;
      pipeline.hincrby(keys.measures, `idle|${measure}|${mode}|${provider}`, Math.abs(Math.round(count)));
    }
  }
  pipeline.pexpire(day, DAYS_RETENTION_MS);
  for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
}

function countsOf(fields: Readonly<Record<string, string>>): Omit<IdleDay, 'day'> {
  const of = (mode: 'shadow' | 'enforce'): EpisodeCounts => ({
    suspended: Number(fields[`${mode}|suspended`] ?? 0),
    savedMs: Number(fields[`${mode}|savedMs`] ?? 0),
    usedAgain: Number(fields[`${mode}|usedAgain`] ?? 0),
  });
  return { shadow: of('shadow'), enforce: of('enforce') };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
