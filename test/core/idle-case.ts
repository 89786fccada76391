import type { Activity } from '../../src/core/activity.ts';
import { DEFAULT_IDLE_POLICY } from '../../src/core/idle-policy.ts';
import type { IdleInput, IdleWatch, SuspendSubject } from '../../src/core/idleness.ts';

export const NOW_MS = Date.UTC(2026, 0, 10, 12);
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

/** Heard of a moment ago, and quiet: what a provider's counters say of a guest that does nothing. */
export const QUIET_COUNTERS = {
  latest: { atMs: NOW_MS - 10_000, cpuShare: 0.01, networkBytes: 5_000 },
  before: { atMs: NOW_MS - 70_000, cpuShare: 0.01, networkBytes: 4_000 },
};

export function subject(more: Partial<SuspendSubject> = {}): SuspendSubject {
  return {
    provider: 'pve-vm',
    isRunning: true,
    protection: 'none',
    requiresRamSnapshot: false,
    ...more,
  };
}

export function activity(more: Partial<Activity> = {}): Activity {
  return {
    sequence: 4,
    runningSinceMs: NOW_MS - 40 * HOUR_MS,
    lastActivity: { atMs: NOW_MS - 39 * HOUR_MS, what: 'touch' },
    holds: [],
    counters: QUIET_COUNTERS,
    ...more,
  };
}

/** Looked at a minute ago, and quiet since that long. */
export function watchedFor(quietMs: number, more: Partial<IdleWatch> = {}): IdleWatch {
  return {
    quietSinceMs: NOW_MS - quietMs,
    lookedAtMs: NOW_MS - MINUTE_MS,
    sequence: 4,
    observable: true,
    ...more,
  };
}

export function idleInput(more: Partial<IdleInput> = {}): IdleInput {
  return {
    subject: subject(),
    activity: activity(),
    watch: watchedFor(HOUR_MS),
    policy: DEFAULT_IDLE_POLICY,
    nowMs: NOW_MS,
    ...more,
  };
}

export const heldBy = (owner: string, untilMs: number) => ({
  owner,
  reason: 'agent turn running',
  sinceMs: NOW_MS - 5 * MINUTE_MS,
  untilMs,
});
