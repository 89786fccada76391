/**
 * The record of a sandbox's use, and the index that says when its idleness is to be looked at next. Both begin
 * when it first runs, in the write that makes it running, and go when it has ended.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import {
  type Activity,
  type ActivityHold,
  type Heartbeat,
  holdUntil,
  type ProviderCounters,
  showsWork,
} from '../core/activity.ts';
import type { Keys } from './keys.ts';
import type { Scripts } from './scripts.ts';

export type ActivityResult =
  /** Acknowledged: a decision that was made before does not stand any more. */
  'noted' | 'no_such_sandbox' | 'too_many_holds';

export interface HoldRequest {
  readonly owner: string;
  readonly reason: string;
  readonly forMs: number;
}

export interface ActivityStore {
  /** One script for all of them. By id: whether it was noted. */
  touch(ids: readonly string[], what: string, nowMs: number): Promise<readonly ActivityResult[]>;
  /** Takes a hold, or renews that of the same owner; cut to the longest that is allowed. */
  hold(
    id: string,
    request: HoldRequest,
    nowMs: number,
    maxHoldMs: number,
  ): Promise<{ readonly result: ActivityResult; readonly hold: ActivityHold }>;
  /** A hold that is not there: noted all the same, for somebody was there to say so. */
  release(id: string, owner: string, nowMs: number): Promise<ActivityResult>;
  heartbeat(id: string, heartbeat: Heartbeat, nowMs: number): Promise<ActivityResult>;
  /** What the provider counted; no activity by itself. */
  observe(counters: ReadonlyMap<string, ProviderCounters>, nowMs: number): Promise<void>;
  /** In the order asked for; a sandbox of which nothing is known has sequence 0. */
  read(ids: readonly string[], nowMs: number): Promise<readonly Activity[]>;
  /** Running sandboxes whose idleness is to be looked at, the most overdue first. */
  due(nowMs: number, limit: number): Promise<readonly string[]>;
  /** How many are due: the backlog. */
  dueCount(nowMs: number): Promise<number>;
  /** Only while it is in the index: one that stopped running meanwhile does not come back. */
  lookAgain(id: string, atMs: number): Promise<void>;
}

/** One agent run holds once; more owners than this on one sandbox is a caller that makes owners up. */
const MAX_HOLDS = 16;
/** Some 300 bytes of script arguments each: one call stays far below a millisecond of Redis. */
const BATCH = 200;

interface Entry {
  readonly what?: string;
  readonly hold?: { readonly owner: string; readonly record: string };
  readonly release?: string;
  readonly heartbeat?: string;
  readonly working?: true;
  readonly counters?: string;
}

const hold = z.object({ owner: z.string(), reason: z.string(), sinceMs: z.number(), untilMs: z.number() });
const counters = z.object({ atMs: z.number(), cpuShare: z.number(), networkBytes: z.number() });
const heartbeat = z.object({
  atMs: z.number(),
  agentProcesses: z.number(),
  agentWork: z.object({ cpuShare: z.number(), bytesPerSecond: z.number() }).exactOptional(),
  loadPerCpu: z.number(),
  openConnections: z.number(),
});

export function createActivityStore({
  redis,
  keys,
  scripts,
}: {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
}): ActivityStore {
  async function write(
    entries: readonly (readonly [id: string, entry: Entry])[],
    nowMs: number,
  ): Promise<readonly ActivityResult[]> {
    const results: ActivityResult[] = [];
    for (let from = 0; from < entries.length; from += BATCH) {
      const batch = entries.slice(from, from + BATCH);
      const replies = (await scripts.run(
        'record-activity',
        batch.flatMap(([id]) => [keys.sandbox(id), keys.activity(id)]),
        [nowMs, MAX_HOLDS, ...batch.map(([, entry]) => JSON.stringify(entry))],
      )) as number[];
      results.push(...replies.map(resultOf));
    }
    return results;
  }
  const one = async (id: string, entry: Entry, nowMs: number) =>
    (await write([[id, entry]], nowMs))[0] ?? 'no_such_sandbox';

  return {
    touch: (ids, what, nowMs) =>
      write(
        ids.map((id) => [id, { what }]),
        nowMs,
      ),

    async hold(id, { owner, reason, forMs }, nowMs, maxHoldMs) {
      const taken = { owner, reason, sinceMs: nowMs, untilMs: holdUntil(forMs, nowMs, maxHoldMs) };
      const entry = { what: `hold by ${owner}`, hold: { owner, record: JSON.stringify(taken) } };
      return { result: await one(id, entry, nowMs), hold: taken };
    },

    release: (id, owner, nowMs) => one(id, { what: `release by ${owner}`, release: owner }, nowMs),

    heartbeat: (id, beat, nowMs) =>
      one(
        id,
        { heartbeat: JSON.stringify(beat), ...(showsWork(beat) ? { working: true as const } : {}) },
        nowMs,
      ),

    async observe(observed, nowMs) {
      await write(
        [...observed].map(([id, seen]) => [id, { counters: JSON.stringify(seen) }]),
        nowMs,
      );
    },

    async read(ids, nowMs) {
      const pipeline = redis.pipeline();
      for (const id of ids) pipeline.hgetall(keys.activity(id));
      const replies = (await pipeline.exec()) ?? [];
      return replies.map(([error, fields]) => {
        if (error) throw error;
        return parseActivity(fields as Readonly<Record<string, string>>, nowMs);
      });
    },

    due: (nowMs, limit) => redis.zrange(keys.idleDue, '-inf', nowMs, 'BYSCORE', 'LIMIT', 0, limit),
    dueCount: (nowMs) => redis.zcount(keys.idleDue, '-inf', nowMs),
    async lookAgain(id, atMs) {
      await redis.zadd(keys.idleDue, 'XX', atMs, id);
    },
  };
}

function resultOf(reply: number): ActivityResult {
  if (reply === -1) return 'no_such_sandbox';
  return reply === -2 ? 'too_many_holds' : 'noted';
}

function parseActivity(fields: Readonly<Record<string, string>>, nowMs: number): Activity {
  const { runningSinceMs, activeAtMs, activeBy = '', workSeenAtMs } = fields;
  const kept = Object.entries(fields)
    .filter(([name]) => name.startsWith('hold:'))
    .map(([, text]) => hold.parse(JSON.parse(text)));
  const endedHold = kept
    .filter(({ untilMs }) => untilMs <= nowMs)
    .map(({ owner, untilMs }) => ({ atMs: untilMs, what: `the end of the hold by ${owner}` }));
  const acted = activeAtMs === undefined ? [] : [{ atMs: Number(activeAtMs), what: activeBy }];
  const lastActivity = [...acted, ...endedHold].sort((a, b) => b.atMs - a.atMs)[0];
  return {
    sequence: Number(fields.sequence ?? 0),
    holds: kept.filter(({ untilMs }) => untilMs > nowMs).sort((a, b) => b.untilMs - a.untilMs),
    ...(runningSinceMs === undefined ? {} : { runningSinceMs: Number(runningSinceMs) }),
    ...(lastActivity === undefined ? {} : { lastActivity }),
    ...(fields.heartbeat === undefined ? {} : { heartbeat: heartbeat.parse(JSON.parse(fields.heartbeat)) }),
    ...(workSeenAtMs === undefined ? {} : { workSeenAtMs: Number(workSeenAtMs) }),
    ...countersOf(fields),
  };
}

function countersOf({ counters: latest, countersBefore: before }: Readonly<Record<string, string>>) {
  if (latest === undefined) return {};
  return {
    counters: {
      latest: counters.parse(JSON.parse(latest)),
      ...(before === undefined ? {} : { before: counters.parse(JSON.parse(before)) }),
    },
  };
}
