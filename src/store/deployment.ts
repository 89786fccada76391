/**
 * What workers publish and producers read: the install record, routing and presets, and one status per
 * provider. A producer therefore needs no configuration but Redis and the deployment's name.
 */
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Breaker } from '../core/breaker.ts';
import { AT_LIMIT, type Budget } from '../core/budget.ts';
import type { Spending } from '../core/budget-room.ts';
import { IDLE_MODES, type IdlePolicy } from '../core/idle-policy.ts';
import { PROVIDER_NAMES } from '../core/provider-name.ts';
import type { ProviderStatus, RoutingPolicy } from '../core/route.ts';
import { NO_SLICES, type SliceByProvider, type SlicePrices } from '../core/slice.ts';
import { type Preset, WORKLOAD_TYPES } from '../core/start-request.ts';
import { parseBreaker } from './breakers.ts';
import { parseUses } from './budgets.ts';
import type { Keys } from './keys.ts';
import type { Reading } from './reading.ts';
import { type Fields, sources } from './records.ts';
import { rememberParsed } from './remember-parsed.ts';

/** The part of the configuration that producers need. */
export interface PublishedSettings {
  readonly routing: RoutingPolicy;
  readonly presets: readonly Preset[];
  readonly startDeadlineMs: number;
  /** The longest that anybody may hold a sandbox awake without renewing. */
  readonly maxHoldMs?: number;
  readonly budgets?: readonly Budget[];
  /** There with budgets. */
  readonly slices?: SlicePrices;
  /** By it `why` and the pages say when a sandbox will be suspended. */
  readonly idlePolicy?: IdlePolicy;
}

export interface DeploymentView {
  readonly settings: PublishedSettings;
  /** What the budgets have room for; empty without any. */
  readonly spending: Spending;
  readonly statuses: readonly ProviderStatus[];
}

export interface DeploymentStore {
  /** The id of this installation, made on first use; it goes into every marker. */
  installId(): Promise<string>;
  publishSettings(settings: PublishedSettings): Promise<void>;
  /** False before the first worker started, and after Redis was emptied. */
  hasSettings(): Promise<boolean>;
  /** All but the breaker, which the failure domain has. */
  publishStatus(status: PublishedStatus): Promise<void>;
  /** Settings and all statuses in one round trip; `undefined` until a worker published. */
  view(): Promise<DeploymentView | undefined>;
}

/** What a worker knows of its own provider. */
export type PublishedStatus = Omit<ProviderStatus, 'breaker' | 'breakerReason' | 'breakerRetryAtMs'>;

const provider = z.enum(PROVIDER_NAMES);
const sliceByProvider = z
  .partialRecord(provider, z.number())
  .transform((slices) => slices as SliceByProvider);
const afterMs = z.union([z.number(), z.literal('never')]);
const idlePolicySchema = z.object({
  mode: z.enum(IDLE_MODES),
  afterMs: z.record(provider, afterMs),
  rules: z.array(
    z.object({
      teamId: z.string().exactOptional(),
      workloadType: z.enum(WORKLOAD_TYPES).exactOptional(),
      provider: provider.exactOptional(),
      afterMs,
    }),
  ),
  unknownAfterMs: z.record(provider, afterMs),
  retainPausedMs: afterMs,
  gate: z.object({ maxRegret: z.number(), minSuspended: z.number(), skip: z.boolean() }),
});
const settingsSchema = z.object({
  routing: z.object({
    primary: provider,
    fallbacks: z.array(provider),
    byWorkload: z.partialRecord(z.enum(WORKLOAD_TYPES), provider),
    rollout: z
      .object({
        weights: z.array(z.object({ provider, weight: z.number() })),
        key: z.enum(['sandbox', 'user', 'team']),
      })
      .exactOptional(),
  }),
  presets: z.array(
    z.object({
      name: z.string(),
      vcpus: z.number(),
      memoryMib: z.number(),
      diskGib: z.number(),
      sources,
    }),
  ),
  startDeadlineMs: z.number(),
  maxHoldMs: z.number().exactOptional(),
  budgets: z
    .array(
      z.object({
        name: z.string(),
        scope: z.discriminatedUnion('of', [
          z.object({ of: z.literal('deployment') }),
          z.object({ of: z.literal('team'), teamId: z.string() }),
          z.object({ of: z.literal('provider'), provider }),
        ]),
        monthlyMicroUsd: z.number(),
        atLimit: z.enum(AT_LIMIT),
      }),
    )
    .exactOptional(),
  slices: z
    .object({ presets: z.record(z.string(), sliceByProvider), otherwise: sliceByProvider })
    .exactOptional(),
  idlePolicy: idlePolicySchema.exactOptional(),
});

const capacitySchema = z.object({
  nodes: z.array(
    z.object({
      node: z.string(),
      online: z.boolean(),
      cordoned: z.boolean(),
      memoryMib: z.number(),
      usedMib: z.number(),
      reservedMib: z.number(),
    }),
  ),
  storages: z.array(
    z.object({ node: z.string(), storage: z.string(), totalMib: z.number(), usedMib: z.number() }),
  ),
});

const statusSchema = z.object({
  provider,
  preservesRam: z.boolean(),
  failureDomain: z.string(),
  simulated: z.boolean(),
  healthy: z.boolean(),
  detail: z.string(),
  overCapacity: z.string().exactOptional(),
  capacity: capacitySchema.exactOptional(),
  publishedAtMs: z.number(),
});

export function createDeploymentStore(redis: Redis, keys: Keys, reading: Reading): DeploymentStore {
  const parseSettings = rememberParsed((text) => settingsSchema.parse(JSON.parse(text)));
  const parseStatus = rememberParsed((text) => statusSchema.parse(JSON.parse(text)));
  return {
    async installId() {
      await redis.hsetnx(keys.deployment, 'installId', randomBytes(8).toString('hex'));
      return z.string().parse(await redis.hget(keys.deployment, 'installId'));
    },
    async publishSettings(settings) {
      await redis.hset(keys.deployment, 'settings', JSON.stringify(settings));
    },
    hasSettings: async () => (await redis.hexists(keys.deployment, 'settings')) === 1,
    async publishStatus(status) {
      await redis.hset(keys.providers, status.provider, JSON.stringify(status));
    },
    async view() {
      const [{ settings: text }, statuses, breakers, use] = await reading.hashes(
        keys.deployment,
        keys.providers,
        keys.breakers,
        keys.budgets.use,
      );
      if (text === undefined) return undefined;
      const settings = parseSettings('settings', text);
      const { budgets = [], slices = NO_SLICES } = settings;
      return {
        settings,
        spending: parseSpending(budgets, slices, use),
        statuses: Object.entries(statuses).map(([name, published]) => {
          const status = parseStatus(name, published);
          return { ...status, ...viewBreaker(parseBreaker(breakers[status.failureDomain])) };
        }),
      };
    },
  };
}

function parseSpending(budgets: readonly Budget[], slices: SlicePrices, use: Fields): Spending {
  const { month } = use;
  return { uses: parseUses(budgets, use, month), slices, ...(month === undefined ? {} : { month }) };
}

function viewBreaker(
  breaker: Breaker,
): Pick<ProviderStatus, 'breaker' | 'breakerReason' | 'breakerRetryAtMs'> {
  if (breaker.state === 'closed') return { breaker: 'closed' };
  const { state, reason } = breaker;
  return {
    breaker: state,
    breakerReason: reason,
    ...(state === 'open' ? { breakerRetryAtMs: breaker.retryAtMs } : {}),
  };
}
