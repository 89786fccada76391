import type { Timers } from '../timers.ts';
import type { MorphInstance, MorphStore } from './morph-store.ts';

/** A TTL that ran out in the middle of a transition is looked at again after this long. */
const LOOK_AGAIN_MS = 50;
/** The longest sleep, so that an injected clock that was set forward is noticed soon. */
const LOOK_EVERY_MS = 500;

export interface MorphTtlDeps {
  readonly store: MorphStore;
  readonly timers: Timers;
  readonly nowMs: () => number;
  readonly lagMs: number;
  readonly pause: (id: string) => Promise<unknown>;
}

/** The TTL counts wall-clock time from now: traffic does not extend it, a resume begins it anew. */
export function armTtl(ttl: MorphInstance['ttl'], nowMs: number): MorphInstance['ttl'] {
  return { ...ttl, expireAtMs: ttl.seconds === null ? null : nowMs + ttl.seconds * 1000 };
}

/**
 * Answers a function that watches one arming of an instance's TTL and acts, some lag after it ran out: `pause`
 * pauses a ready instance; `stop`, the default, deletes. That `stop` deletes a paused instance too is our reading:
 * no source says otherwise.
 */
export function createTtlWatch(deps: MorphTtlDeps): (instance: MorphInstance) => void {
  const { store, timers, nowMs } = deps;
  const check = (id: string, expireAtMs: number): void => {
    const instance = store.find(id);
    // A newer TTL has a timer of its own.
    if (instance === undefined || instance.ttl.expireAtMs !== expireAtMs) return;
    const leftMs = expireAtMs + deps.lagMs - nowMs();
    if (leftMs > 0) {
      timers.after(Math.min(leftMs, LOOK_EVERY_MS), () => check(id, expireAtMs));
    } else if (instance.status === 'saving' || instance.status === 'pending') {
      timers.after(LOOK_AGAIN_MS, () => check(id, expireAtMs));
    } else if (instance.ttl.action !== 'pause') {
      store.remove(id);
    } else if (instance.status === 'ready') {
      deps.pause(id).catch(() => {
        // Deleted while it was being paused.
      });
    }
  };
  return ({ id, ttl: { expireAtMs } }) => {
    if (expireAtMs !== null) check(id, expireAtMs);
  };
}
