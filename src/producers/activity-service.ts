/** Activity as both transports take it: who may say what of which sandbox, and in how few writes. */
import type { ActivityHold, Heartbeat } from '../core/activity.ts';
import { LifecycleError } from '../core/lifecycle-error.ts';
import type { TouchResult } from '../core/views.ts';
import { findSandbox } from '../queues/find-sandbox.ts';
import type { ActivityResult } from '../store/activity.ts';
import type { Store } from '../store/store.ts';
import type { Caller } from './caller.ts';
import { reported } from './store-trouble.ts';
import { createTouchBatch } from './touch-batch.ts';

export type HeartbeatReport = Omit<Heartbeat, 'atMs'>;

export interface ActivityService {
  /** Each by our id or the provider's. Those that are unknown, have ended or are another team's are named. */
  touch(anyIds: readonly string[], caller: Caller): Promise<TouchResult>;
  /** @throws `not_found`, `too_many_holds` */
  hold(
    anyId: string,
    request: { readonly owner: string; readonly reason: string; readonly seconds: number },
    caller: Caller,
  ): Promise<ActivityHold>;
  release(anyId: string, owner: string, caller: Caller): Promise<void>;
  /** @throws `not_found`, also of what is another team's */
  heartbeat(anyId: string, report: HeartbeatReport, caller: Caller): Promise<void>;
}

/** Which sandbox an id means, and whose it is, never changes; this many are remembered. */
const REMEMBERED = 10_000;

export function createActivityService({
  store,
  nowMs,
}: {
  readonly store: Store;
  readonly nowMs: () => number;
}): ActivityService {
  const known = new Map<string, { readonly id: string; readonly teamId: string | undefined }>();
  const batch = createTouchBatch((ids) => store.activity.touch(ids, 'touch', nowMs()));

  async function resolve(anyId: string, { teamId }: Caller): Promise<string> {
    let found = known.get(anyId);
    if (found === undefined) {
      const { id, request } = await findSandbox(store, anyId, undefined);
      found = { id, teamId: request.teamId };
      if (known.size >= REMEMBERED) known.clear();
      known.set(anyId, found);
    }
    if (teamId === undefined || teamId === found.teamId) return found.id;
    throw unknown(anyId);
  }

  async function touchOne(anyId: string, caller: Caller): Promise<ActivityResult> {
    try {
      return await batch.touch(await resolve(anyId, caller));
    } catch (error) {
      if (error instanceof LifecycleError && error.code === 'not_found') return 'no_such_sandbox';
      throw error;
    }
  }

  return {
    touch: (anyIds, caller) =>
      reported(async () => {
        const results = await Promise.all(anyIds.map((anyId) => touchOne(anyId, caller)));
        return {
          noted: anyIds.filter((_id, at) => results[at] === 'noted'),
          unknown: anyIds.filter((_id, at) => results[at] !== 'noted'),
        };
      }),

    hold: (anyId, { owner, reason, seconds }, caller) =>
      reported(async () => {
        const id = await resolve(anyId, caller);
        const maxHoldMs = (await store.deployment.view())?.settings.maxHoldMs ?? DEFAULT_MAX_HOLD_MS;
        const asked = { owner, reason, forMs: seconds * 1_000 };
        const { result, hold } = await store.activity.hold(id, asked, nowMs(), maxHoldMs);
        requireNoted(result, id);
        return hold;
      }),

    release: (anyId, owner, caller) =>
      reported(async () => {
        const id = await resolve(anyId, caller);
        requireNoted(await store.activity.release(id, owner, nowMs()), id);
      }),

    heartbeat: (anyId, report, caller) =>
      reported(async () => {
        const id = await resolve(anyId, caller);
        const now = nowMs();
        requireNoted(await store.activity.heartbeat(id, { ...report, atMs: now }, now), id);
      }),
  };
}

/** Until a worker published the configured one. */
const DEFAULT_MAX_HOLD_MS = 4 * 60 * 60_000;

function requireNoted(result: ActivityResult, id: string): void {
  if (result === 'noted') return;
  if (result === 'no_such_sandbox') throw unknown(id);
  throw new LifecycleError({
    code: 'too_many_holds',
    message: `${id} is held by as many owners as can hold it`,
    remediation: 'Use one owner per run and renew its hold, or release those that are over.',
    retryable: true,
    sandboxId: id,
  });
}

function unknown(id: string): LifecycleError {
  return new LifecycleError({
    code: 'not_found',
    message: `there is no sandbox ${id}, or it has ended`,
    retryable: false,
  });
}
