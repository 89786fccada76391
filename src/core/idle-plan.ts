/** What follows from a look at one sandbox: what is counted, what is remembered, whether it is suspended. */
import { type Activity, lastUsedAtMs } from './activity.ts';
import {
  closeEpisode,
  type Episode,
  type EpisodeCounts,
  forgetEpisode,
  NO_EPISODES,
  openEpisode,
} from './idle-episode.ts';
import type { IdleMode } from './idle-policy.ts';
import type { IdleVerdict, IdleWatch } from './idleness.ts';

/** Its pause may wait its turn at the provider; sooner than two looks that are too far apart. */
export const LOOK_AGAIN_SUSPENDED_MS = 4 * 60_000;

export interface IdleRecord {
  readonly watch?: IdleWatch;
  readonly episode?: Episode;
}

export interface LookInput {
  readonly verdict: IdleVerdict;
  readonly activity: Activity;
  readonly record: IdleRecord;
  /** What really happens: the gate's word, not the configuration's. */
  readonly mode: Exclude<IdleMode, 'off'>;
  /** Why nothing automatic may pause it now. */
  readonly refusal?: string;
  /** Whether as many as may be are already on their way where its memory is written to. */
  readonly isPlaceFull: boolean;
  readonly nowMs: number;
}

export interface LookPlan {
  /** `would_suspend`: in shadow mode. `deferred`: its place has enough to do. `refused`: see `refusal`. */
  readonly action: 'none' | 'suspend' | 'would_suspend' | 'deferred' | 'refused';
  /** The first of its episode: the receipt is kept once. */
  readonly isNew: boolean;
  readonly record: IdleRecord;
  readonly mode: Episode['mode'];
  readonly counts: EpisodeCounts;
  readonly lookAgainAtMs: number;
  readonly suspendAtMs?: number;
}

export function planLook(input: LookInput): LookPlan {
  const { verdict, record, mode, refusal, isPlaceFull, nowMs } = input;
  const watch = verdict.watch && { watch: verdict.watch };
  const upcoming = verdict.suspendAtMs === undefined ? {} : { suspendAtMs: verdict.suspendAtMs };
  const common = { ...upcoming, mode, isNew: false, lookAgainAtMs: verdict.lookAgainAtMs };
  if (verdict.verdict !== 'suspend') {
    const { episode } = record;
    const counts = ended(input);
    return { ...common, action: 'none', record: { ...watch }, mode: episode?.mode ?? mode, counts };
  }
  const waiting = { record: { ...record, ...watch }, counts: NO_EPISODES };
  if (mode === 'enforce' && refusal !== undefined) return { ...common, ...waiting, action: 'refused' };
  // Now: the next pass takes it, as soon as its place has room.
  if (mode === 'enforce' && isPlaceFull) {
    return { ...common, ...waiting, action: 'deferred', lookAgainAtMs: nowMs };
  }
  const { episode, counts } = openEpisode(record.episode, mode, nowMs);
  return {
    ...common,
    action: mode === 'enforce' ? 'suspend' : 'would_suspend',
    isNew: counts.suspended === 1,
    record: { ...watch, ...(episode ? { episode } : {}) },
    counts,
    ...(mode === 'enforce' ? { lookAgainAtMs: nowMs + LOOK_AGAIN_SUSPENDED_MS } : {}),
  };
}

/** It runs and is not to be suspended: whatever was open has ended. */
function ended({ activity, record: { episode }, nowMs }: LookInput): EpisodeCounts {
  if (episode === undefined) return NO_EPISODES;
  const { sinceMs } = episode;
  if (episode.mode === 'enforce' && (activity.runningSinceMs ?? 0) <= sinceMs) return forgetEpisode();
  const usedAtMs = episode.mode === 'enforce' ? activity.runningSinceMs : lastUsedAtMs(activity, nowMs);
  return closeEpisode(episode, nowMs, usedAtMs !== undefined && usedAtMs > sinceMs ? usedAtMs : undefined);
}
