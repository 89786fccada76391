/**
 * What the system may do by itself, as far as it depends on the whole deployment: the install record's
 * heartbeat, adopt-only mode, the time of observation after a restored dump, the one switch, the brake. The
 * decisions are in `core/automation.ts`.
 *
 * All of it is kept with the install record, so that whatever is lost is lost together: an empty Redis has no
 * records that anything automatic could act on either.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type Automation, brakeLimit } from '../core/automation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { Keys } from './keys.ts';
import type { Scripts } from './scripts.ts';

/** Longer than any restart or failover; shorter than any idle threshold that a sweep could act on in between. */
export const HEARTBEAT_OLD_MS = 10 * 60_000;
/** What the brake's bounds count over. */
const BRAKE_WINDOW_MS = 60 * 60_000;

export type Beat = 'kept' | 'lost' | 'old';

export interface AutomationStore {
  /** One small read; every sweep that pauses, expires or destroys asks it once per pass. */
  read(): Promise<Automation>;
  /** Called every half minute by every process that works. `lost` and `old` are for its log and an alert. */
  beat(installId: string, nowMs: number): Promise<Beat>;
  /** True when it was not in that mode already. */
  enterAdoptOnly(reason: string, nowMs: number): Promise<boolean>;
  /** A rebuild has run; what it restored stays exempt until `confirm`. */
  endAdoptOnly(): Promise<void>;
  /** An operator says that the registry is right as it is: ends adopt-only mode and every exemption. */
  confirm(by: string, nowMs: number): Promise<void>;
  /** The live half of the one switch. */
  switchDestruction(to: 'on' | 'off', by: string, nowMs: number): Promise<void>;
  /** The configured half, published by whoever starts. */
  configureDestruction(to: 'on' | 'off'): Promise<void>;
  /** Counts one automatic destruction. False: the provider's bound for this hour is reached. */
  takeBrake(provider: ProviderName, subject: string, nowMs: number): Promise<boolean>;
  /** Counts one guest found absent, against a bound of the same size. */
  takeLost(provider: ProviderName, subject: string, nowMs: number): Promise<boolean>;
  /** Sandboxes that have yet to be asked for, while `observing`. */
  unobserved(untilMs: number, limit: number): Promise<readonly string[]>;
  unobservedCount(): Promise<number>;
  /** Asks for it again later. */
  postponeObservation(sandboxId: string, untilMs: number): Promise<void>;
  observed(sandboxId: string): Promise<void>;
  endObservation(): Promise<void>;
  /** `undefined`: nothing is being observed. */
  observingSinceMs(): Promise<number | undefined>;
  /** Installations whose guests are ours: this one, and those that a rebuild took over. */
  ownInstalls(): Promise<ReadonlySet<string>>;
  addOwnInstalls(installs: readonly string[]): Promise<void>;
}

const FIELDS = [
  'installId',
  'heartbeatMs',
  'adoptOnlySinceMs',
  'adoptOnlyReason',
  'observingSinceMs',
  'destructionOffBy',
  'destructionConfigured',
  'confirmedAtMs',
  'distrustBeforeMs',
] as const;
type Field = (typeof FIELDS)[number];

interface Deps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
}

export function createAutomationStore({ redis, keys, scripts }: Deps): AutomationStore {
  const { deployment, sandboxesUnobserved, ownInstalls } = keys;
  const count = async (
    name: 'destroyed' | 'lost',
    provider: ProviderName,
    subject: string,
    nowMs: number,
  ) => {
    const limit = brakeLimit(await redis.zcard(keys.guestsOf(provider)));
    const args = [subject, nowMs, BRAKE_WINDOW_MS, limit];
    return (await scripts.run('take-brake', [keys.brake(name, provider)], args)) === 1;
  };

  return {
    async read() {
      const pipeline = redis
        .pipeline()
        .hmget(deployment, ...FIELDS)
        .time();
      const [record, time] = (await pipeline.exec()) ?? [];
      const error = record?.[0] ?? time?.[0];
      if (error) throw error;
      const values = z.array(z.string().nullable()).parse(record?.[1]);
      const fields = Object.fromEntries(FIELDS.map((name, at) => [name, values[at] ?? undefined]));
      return interpret(fields, clockOf(time?.[1]));
    },
    async beat(installId, nowMs) {
      const found = await scripts.run(
        'beat',
        [deployment, keys.sandboxesCurrent, sandboxesUnobserved],
        [installId, HEARTBEAT_OLD_MS, nowMs],
      );
      return z.enum(['kept', 'lost', 'old']).parse(found);
    },
    async enterAdoptOnly(reason, nowMs) {
      const isNew = await redis.hsetnx(deployment, 'adoptOnlySinceMs', nowMs);
      if (isNew === 1) await redis.hset(deployment, { adoptOnlyReason: reason, distrustBeforeMs: nowMs });
      return isNew === 1;
    },
    async endAdoptOnly() {
      await redis.hdel(deployment, 'adoptOnlySinceMs', 'adoptOnlyReason');
    },
    async confirm(by, nowMs) {
      await redis
        .multi()
        .hset(deployment, { confirmedAtMs: nowMs, confirmedBy: by })
        .hdel(deployment, 'adoptOnlySinceMs', 'adoptOnlyReason')
        .exec();
    },
    async switchDestruction(to, by, nowMs) {
      if (to === 'on') await redis.hdel(deployment, 'destructionOffBy', 'destructionOffAtMs');
      else await redis.hset(deployment, { destructionOffBy: by, destructionOffAtMs: nowMs });
    },
    async configureDestruction(to) {
      await redis.hset(deployment, 'destructionConfigured', to);
    },
    takeBrake: (provider, subject, nowMs) => count('destroyed', provider, subject, nowMs),
    takeLost: (provider, subject, nowMs) => count('lost', provider, subject, nowMs),
    unobserved: (untilMs, limit) =>
      redis.zrangebyscore(sandboxesUnobserved, '-inf', untilMs, 'LIMIT', 0, limit),
    unobservedCount: () => redis.zcard(sandboxesUnobserved),
    async postponeObservation(sandboxId, untilMs) {
      await redis.zadd(sandboxesUnobserved, 'XX', untilMs, sandboxId);
    },
    async observed(sandboxId) {
      await redis.zrem(sandboxesUnobserved, sandboxId);
    },
    async observingSinceMs() {
      return numberOf((await redis.hget(deployment, 'observingSinceMs')) ?? undefined);
    },
    async endObservation() {
      await redis.multi().hdel(deployment, 'observingSinceMs').del(sandboxesUnobserved).exec();
    },
    async ownInstalls() {
      const [current, others] = await Promise.all([
        redis.hget(deployment, 'installId'),
        redis.smembers(ownInstalls),
      ]);
      return new Set([...(current === null ? [] : [current]), ...others]);
    },
    async addOwnInstalls(installs) {
      if (installs.length > 0) await redis.sadd(ownInstalls, ...installs);
    },
  };
}

function clockOf(time: unknown): number {
  const [seconds, microseconds] = z.tuple([z.coerce.number(), z.coerce.number()]).parse(time);
  return seconds * 1_000 + Math.floor(microseconds / 1_000);
}

function interpret(fields: Partial<Record<Field, string | undefined>>, redisNowMs: number): Automation {
  const { heartbeatMs, adoptOnlySinceMs, observingSinceMs, confirmedAtMs, distrustBeforeMs } = fields;
  const byHand = fields.destructionOffBy;
  const destruction = byHand !== undefined || fields.destructionConfigured === 'off' ? 'off' : 'on';
  const since = numberOf(distrustBeforeMs);
  const confirmed = numberOf(confirmedAtMs);
  const common = {
    destruction,
    ...(since === undefined ? {} : { distrustBeforeMs: since }),
    ...(confirmed === undefined ? {} : { confirmedAtMs: confirmed }),
  } as const;
  if (adoptOnlySinceMs !== undefined) {
    const why = fields.adoptOnlyReason ?? 'guests were met that this registry knows nothing of';
    return { ...common, mode: 'adopt_only', reason: `adopt-only mode until an operator confirms: ${why}` };
  }
  const isOld = heartbeatMs !== undefined && redisNowMs - Number(heartbeatMs) > HEARTBEAT_OLD_MS;
  if (observingSinceMs !== undefined || isOld) {
    return {
      ...common,
      mode: 'observing',
      reason:
        'the registry was restored or long alone: every sandbox is asked for and watched before anything automatic happens to it',
    };
  }
  if (destruction === 'off') {
    const who = byHand === undefined ? 'the configuration' : byHand;
    return { ...common, mode: 'off', reason: `automatic destruction was switched off by ${who}` };
  }
  return { ...common, mode: 'normal', reason: '' };
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
