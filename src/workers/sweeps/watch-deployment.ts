/** Looks at what no single operation shows, and raises or clears the alerts of it. Changes nothing else. */
import type { AlertKey } from '../../core/alert.ts';
import {
  DEFAULT_FALLBACK_BOUND,
  type FallbackBound,
  isFallbackShareTooHigh,
} from '../../core/fallback-share.ts';
import { type AnnouncedSettings, type Deviation, decideAgreement } from '../../core/settings-agreement.ts';
import { FULL_SHARE, isStoreFull, usedShare } from '../../core/store-health.ts';
import { readRedisMemory } from '../../platform/redis-memory.ts';
import type { Store } from '../../store/store.ts';
import type { SweepRunOptions } from '../sweep.ts';

export interface WatchDeps {
  readonly store: Store;
  readonly nowMs: () => number;
  readonly fallbackBound?: FallbackBound;
}

interface Finding extends AlertKey {
  /** Absent: all is well. */
  readonly trouble?: { readonly message: string; readonly remediation: string };
}

export type WatchCounts = Record<'looked' | 'raised' | 'cleared', number>;

export async function watchDeployment(
  deps: WatchDeps,
  { dryRun }: Pick<SweepRunOptions, 'dryRun'>,
): Promise<WatchCounts> {
  const { store, nowMs } = deps;
  const findings = [
    await lookAtFallbacks(deps),
    ...(await lookAtRedis(store)),
    ...(await lookAtSettings(deps)),
  ];
  const counts: WatchCounts = { looked: findings.length, raised: 0, cleared: 0 };
  const active = new Set((await store.alerts.active()).map(({ name, subject }) => `${name} ${subject}`));
  for (const { name, subject, trouble } of findings) {
    const isActive = active.has(`${name} ${subject}`);
    if (trouble && !isActive) counts.raised += 1;
    if (!trouble && isActive) counts.cleared += 1;
    if (dryRun) continue;
    if (trouble) await store.alerts.raise({ name, subject, ...trouble }, nowMs());
    else if (isActive) await store.alerts.clear({ name, subject }, nowMs());
  }
  return counts;
}

async function lookAtFallbacks({
  store,
  nowMs,
  fallbackBound = DEFAULT_FALLBACK_BOUND,
}: WatchDeps): Promise<Finding> {
  const counts = await store.startCounts.within(fallbackBound.windowMs, nowMs());
  const key = { name: 'starts.fell_back', subject: 'starts' } as const;
  if (!isFallbackShareTooHigh(counts, fallbackBound)) return key;
  const minutes = Math.round(fallbackBound.windowMs / 60_000);
  return {
    ...key,
    trouble: {
      message: `${counts.fellBack} of ${counts.total} starts of the last ${minutes} min run elsewhere than they were meant to`,
      remediation: 'The fleet page says of each sandbox why it is where it is.',
    },
  };
}

async function lookAtRedis(store: Store): Promise<readonly Finding[]> {
  const memory = await readRedisMemory(store.redis);
  const filling = { name: 'redis.memory', subject: 'redis' } as const;
  const evicting = { name: 'redis.policy', subject: 'redis' } as const;
  const percent = Math.floor(usedShare(memory) * 100);
  return [
    isStoreFull(memory)
      ? {
          ...filling,
          trouble: {
            message: `Redis uses ${percent} % of its maxmemory; from ${FULL_SHARE * 100} % on no new sandbox is taken in`,
            remediation: 'redis-cli -u "$REDIS_URL" config set maxmemory <more>',
          },
        }
      : filling,
    // What cannot be read is said at start-up.
    memory.policy !== '' && memory.policy !== 'noeviction'
      ? {
          ...evicting,
          trouble: {
            message: `Redis evicts keys when memory runs out (maxmemory-policy ${memory.policy}); sandboxes would be forgotten`,
            remediation: 'redis-cli -u "$REDIS_URL" config set maxmemory-policy noeviction',
          },
        }
      : evicting,
  ];
}

/** The message names so many; who differs is mostly one, or all that an upgrade forgot. */
const MAX_NAMED = 5;

/** Nothing is found while settings are being changed: what was raised stays until all agree. */
async function lookAtSettings({ store, nowMs }: WatchDeps): Promise<readonly Finding[]> {
  const key = { name: 'settings.differ', subject: 'settings' } as const;
  const agreement = decideAgreement(await store.announcements.read(), nowMs());
  if (agreement.verdict === 'agreed') return [key];
  if (agreement.verdict === 'changing') return [];
  return [
    {
      ...key,
      trouble: {
        message: describeDifference(agreement),
        remediation: 'Restart them with the same environment.',
      },
    },
  ];
}

function describeDifference({
  inForce,
  others,
}: {
  readonly inForce: AnnouncedSettings;
  readonly others: readonly Deviation[];
}): string {
  const named = others
    .slice(0, MAX_NAMED)
    .map(({ process, parts }) => `${process} has other ${parts.join(', ')}`);
  const more = others.length > MAX_NAMED ? [`${others.length - MAX_NAMED} more differ`] : [];
  return `the settings of ${inForce.process} are in force, because it started last; ${[...named, ...more].join('; ')}`;
}
