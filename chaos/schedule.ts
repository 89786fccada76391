/**
 * Everything that a chaos run does, decided beforehand by its seed: what is asked for and when, who is killed
 * or frozen, when Redis and the providers go away. Which sandbox or worker a `pick` between 0 and 1 means is
 * decided when its time comes, among those that are there.
 */
import type { ProviderName } from '../src/core/provider-name.ts';
import type { WorkloadType } from '../src/core/start-request.ts';
import { createRandom } from '../src/simulators/fault-plan.ts';

export type Asked =
  | {
      readonly kind: 'start';
      readonly preferredProvider: ProviderName;
      readonly allowFallback: boolean;
      readonly requiresRamSnapshot: boolean;
      readonly protected: boolean;
      readonly workloadType?: WorkloadType;
    }
  | { readonly kind: 'pause'; readonly pick: number; readonly requiresRamSnapshot: boolean }
  | { readonly kind: 'resume'; readonly pick: number; readonly onLostMemory: 'fail' | 'cold-boot' }
  | { readonly kind: 'destroy' | 'inspect'; readonly pick: number }
  | { readonly kind: 'ttl'; readonly pick: number; readonly ttlSeconds: number | null }
  | { readonly kind: 'protection'; readonly pick: number; readonly protected: boolean };

export type Action =
  /** `twice`: the same request with the same key from two callers at once. */
  | { readonly do: 'ask'; readonly asked: Asked; readonly twice: boolean }
  | { readonly do: 'kill'; readonly pick: number }
  | { readonly do: 'freeze'; readonly pick: number; readonly forMs: number }
  | { readonly do: 'restart-redis'; readonly downMs: number }
  | { readonly do: 'take-down'; readonly target: 'pve' | 'morph'; readonly forMs: number };

export type ScheduledAction = Action & { readonly atMs: number };

/** One each, so that five minutes hold at least 30 kills, 10 freezes and 5 restarts, on a busy machine too, which misses some. */
const KILL_EVERY_MS = 7_000;
const FREEZE_EVERY_MS = 17_000;
const RESTART_EVERY_MS = 42_000;
const OUTAGE_EVERY_MS = 35_000;
/** Several sandboxes change at any time, and two cores still keep up. */
const ASK_EVERY_MS = 400;
/** Workers are up and the first sandboxes are being made. */
const CALM_START_MS = 3_000;
/** Longer than a lease with its send deadline, so that somebody else has the claim when it thaws. */
const FROZEN_MS = { least: 12_500, most: 17_000 };
const REDIS_DOWN_MS = { least: 200, most: 4_000 };
const OUTAGE_MS = { least: 2_000, most: 9_000 };
const TWICE_SHARE = 0.1;

const PROVIDERS: readonly ProviderName[] = ['pve-vm', 'pve-vm', 'pve-lxc', 'morph'];
const WORKLOADS: readonly WorkloadType[] = ['dev', 'prod', 'ephemeral', 'quick-task', 'long-running'];

export function planChaos(seed: number, durationMs: number): readonly ScheduledAction[] {
  // One generator per family, so that a change in one leaves the others as they were.
  const family = (index: number) => createRandom(seed * 16 + index);
  const spread = (everyMs: number, random: () => number, act: () => Action): readonly ScheduledAction[] => {
    const count = Math.max(1, Math.floor((durationMs - CALM_START_MS) / everyMs));
    const slotMs = (durationMs - CALM_START_MS) / count;
    return Array.from({ length: count }, (_, slot) => ({
      atMs: Math.round(CALM_START_MS + (slot + random() * 0.8) * slotMs),
      ...act(),
    }));
  };
  const [asks, kills, freezes, restarts, outages] = [family(1), family(2), family(3), family(4), family(5)];
  return [
    ...spread(ASK_EVERY_MS, asks, () => ({ do: 'ask', asked: ask(asks), twice: asks() < TWICE_SHARE })),
    ...spread(KILL_EVERY_MS, kills, () => ({ do: 'kill', pick: kills() })),
    ...spread(FREEZE_EVERY_MS, freezes, () => ({
      do: 'freeze',
      pick: freezes(),
      forMs: between(freezes, FROZEN_MS),
    })),
    ...spread(RESTART_EVERY_MS, restarts, () => ({
      do: 'restart-redis',
      downMs: between(restarts, REDIS_DOWN_MS),
    })),
    ...spread(OUTAGE_EVERY_MS, outages, () => ({
      do: 'take-down',
      target: outages() < 0.5 ? 'pve' : 'morph',
      forMs: between(outages, OUTAGE_MS),
    })),
  ].toSorted((a, b) => a.atMs - b.atMs);
}

type Random = () => number;

/** Starts outweigh destroys a little, so that the fleet grows while it is disturbed. */
function ask(random: Random): Asked {
  const dice = random();
  const pick = random();
  if (dice < 0.28) {
    const workloadType = random() < 0.3 ? oneOf(random, WORKLOADS) : undefined;
    return {
      kind: 'start',
      preferredProvider: oneOf(random, PROVIDERS),
      allowFallback: random() < 0.85,
      requiresRamSnapshot: random() < 0.2,
      protected: random() < 0.1,
      ...(workloadType === undefined ? {} : { workloadType }),
    };
  }
  if (dice < 0.5) return { kind: 'pause', pick, requiresRamSnapshot: random() < 0.6 };
  if (dice < 0.72) return { kind: 'resume', pick, onLostMemory: random() < 0.5 ? 'fail' : 'cold-boot' };
  if (dice < 0.86) return { kind: 'destroy', pick };
  if (dice < 0.94) return { kind: 'inspect', pick };
  if (dice < 0.97) return { kind: 'ttl', pick, ttlSeconds: random() < 0.5 ? null : 86_400 };
  return { kind: 'protection', pick, protected: random() < 0.3 };
}

function oneOf<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

function between(random: Random, { least, most }: { readonly least: number; readonly most: number }): number {
  return Math.round(least + random() * (most - least));
}
