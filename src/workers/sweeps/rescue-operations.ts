/**
 * Repairs what a crash left half done: an operation that is due although nobody works on it. Reads only the
 * index of due operations, never the fleet.
 *
 * Acts only where no lease is held and the attempt's job is not waiting, prioritized or delayed in its queue,
 * nor active before its first claim. One that is active although its claim ended belongs to a dead or frozen
 * worker: its lease tells sooner than the queue's own check. A job that was never added is added; an attempt
 * that was claimed and abandoned is closed as interrupted, and the next one inherits its intent and looks before it
 * sends. An operation whose deadline passed while nobody took its job (no worker serves that queue) fails with that
 * truth; a start whose guest may be there only after somebody had the time to look. Giving up condemns the guest, and
 * where the registry was restored from a dump it may have come up long ago, with somebody at work in it.
 *
 * Every process runs it by itself, and passes may meet: who finds an operation claimed by another leaves it.
 */
import { randomUUID } from 'node:crypto';
import type { JobState } from 'bullmq';
import { type Attempt, isSettled, type Operation } from '../../core/operation.ts';
import { subjectKeyOf } from '../../store/claims.ts';
import { closeInterrupted, closeOverdue, type EndDeps } from '../end-attempt.ts';
import type { SweepRunOptions } from '../sweep.ts';

/** Operations looked at in one pass; the rest is due at the next, seconds later. */
const BATCH = 100;
/** One look waits for Redis some five times, and a worker that died leaves as many operations as it had at work. */
const AT_ONCE = 10;
/** How soon an operation that needs nothing now is looked at again. */
const LOOK_AGAIN_MS = 5_000;
/** One that waits behind another is opened when that one settles; this look only heals a crash in between. */
const LOOK_AGAIN_WAITING_MS = 15_000;

/** Rarer than a batch of healthy ones, so that those which fail every time leave them room. */
const LOOK_AGAIN_FAILED_MS = 15_000;

/** How long the last look of a start may wait for a worker and its slot; without any worker nobody can look. */
const LAST_LOOK_WITHIN_MS = 2 * 60_000;
/** An attempt that is about to judge its own deadline is left to do so. */
const OVERDUE_GRACE_MS = 5_000;

/**
 * Rescue only writes, and every write is refused once somebody else has claimed: a lease keeps two of them from
 * doing the same. One that dies in between is not waited for as long as a worker that may have sent something.
 */
const LEASE_MS = 1_000;

const LIVE_JOB: ReadonlySet<JobState | 'missing'> = new Set([
  'waiting',
  'prioritized',
  'delayed',
  'active',
  'waiting-children',
]);

export type RescueCounts = Record<
  'looked' | 'opened' | 'requeued' | 'interrupted' | 'overdue' | 'failed',
  number
>;

export async function rescueOperations(deps: EndDeps, { dryRun }: SweepRunOptions): Promise<RescueCounts> {
  const { store, nowMs } = deps;
  const counts: RescueCounts = { looked: 0, opened: 0, requeued: 0, interrupted: 0, overdue: 0, failed: 0 };
  const due = await store.reading.dueOperations(nowMs(), BATCH);
  if (dryRun) return { ...counts, looked: due.length };
  for (let from = 0; from < due.length; from += AT_ONCE) {
    await Promise.all(due.slice(from, from + AT_ONCE).map((id) => lookInPeace(deps, id, counts)));
  }
  return counts;
}

async function lookInPeace(deps: EndDeps, operationId: string, counts: RescueCounts): Promise<void> {
  counts.looked += 1;
  try {
    await look(deps, operationId, counts);
  } catch (error) {
    // One that cannot be read or carried on (written by a newer release, say) must not stop the others.
    counts.failed += 1;
    deps.log.error({ operationId, err: error }, 'rescue failed; it is tried again');
    await postpone(deps, operationId, LOOK_AGAIN_FAILED_MS);
  }
}

async function look(deps: EndDeps, operationId: string, counts: RescueCounts): Promise<void> {
  const { store } = deps;
  const operation = await store.reading.operation(operationId);
  if (operation === undefined || isSettled(operation.state)) {
    await store.redis.zrem(store.keys.operationsDue, operationId);
    return;
  }
  await rescue(deps, operation, counts);
}

async function rescue(deps: EndDeps, operation: Operation, counts: RescueCounts): Promise<void> {
  const { store, queues, submitter } = deps;
  const first = await store.redis.lindex(store.keys.pending(subjectKeyOf(store.keys, operation)), 0);
  if (first !== operation.id) return postpone(deps, operation.id, LOOK_AGAIN_WAITING_MS);

  const attempt = operation.attempts.at(-1);
  if (attempt === undefined) {
    await submitter.advance(operation.id);
    counts.opened += 1;
    return postpone(deps, operation.id, LOOK_AGAIN_MS);
  }
  const jobState = await queues.attemptState(operation.id, attempt.number, attempt.provider);
  const overdue = deps.nowMs() >= operation.deadlineAtMs + OVERDUE_GRACE_MS && jobState !== 'active';
  const mayBeAbandoned = jobState === 'active' && attempt.claimedAtMs !== undefined;
  if (LIVE_JOB.has(jobState) && !overdue && !mayBeAbandoned) {
    return postpone(deps, operation.id, LOOK_AGAIN_MS);
  }
  if (jobState === 'missing' && attempt.claimedAtMs === undefined) {
    await queues.addAttempt(operation, attempt.number, attempt.provider, 0);
    counts.requeued += 1;
    return postpone(deps, operation.id, LOOK_AGAIN_MS);
  }
  const end = overdue ? await judgeOverdue(deps, operation, attempt) : 'interrupted';
  if (end === 'wait') return postpone(deps, operation.id, LOOK_AGAIN_MS);
  const claimed = await store.claims.claim(operation, attempt.number, `rescue ${randomUUID()}`, {
    leaseMs: LEASE_MS,
  });
  if (claimed.status !== 'claimed') {
    return postpone(deps, operation.id, claimed.status === 'held' ? claimed.waitMs : LOOK_AGAIN_MS);
  }
  if (end === 'overdue') await closeOverdue(deps, claimed.claim);
  else await closeInterrupted(deps, claimed.claim, 'its worker stopped in the middle');
  counts[end] += 1;
}

/**
 * Giving up a start condemns a guest that may be there. So one whose create was let go gets a last attempt after its
 * deadline, and that has time to be taken.
 */
async function judgeOverdue(
  { store, nowMs }: EndDeps,
  { kind, deadlineAtMs }: Operation,
  { guestId, openedAtMs, claimedAtMs }: Attempt,
): Promise<'wait' | 'overdue' | 'interrupted'> {
  if (kind !== 'start' || guestId === undefined) return 'overdue';
  if ((await store.reading.guest(guestId))?.sentAtMs === undefined) return 'overdue';
  const isLast = openedAtMs >= deadlineAtMs && claimedAtMs === undefined;
  if (!isLast) return 'interrupted';
  return nowMs() < openedAtMs + LAST_LOOK_WITHIN_MS ? 'wait' : 'overdue';
}

async function postpone({ store, nowMs }: EndDeps, id: string, delayMs: number): Promise<void> {
  // XX: an operation that settled meanwhile must not come back into the index.
  await store.redis.zadd(store.keys.operationsDue, 'XX', nowMs() + delayMs, id);
}
