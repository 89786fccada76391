/**
 * One attempt from claim to its end: claim → operation handler → settle, or judge. This is the worker's only
 * catch. What it cannot judge it lets crash: the job fails, the operation stays due, and rescue closes the
 * attempt as interrupted and issues the next.
 */
import { randomUUID } from 'node:crypto';
import type { Breaker } from '../core/breaker.ts';
import { isNewerSchema } from '../core/newer-schema.ts';
import type { OperationKind } from '../core/operation.ts';
import { stateDuring } from '../core/sandbox.ts';
import { isProviderError } from '../providers/provider-error.ts';
import { type AttemptJob, parseAttemptJob } from '../queues/queues.ts';
import type { Settlement } from '../store/attempt-endings.ts';
import type { ClaimOptions, ClaimResult, ClaimSubject } from '../store/claims.ts';
import type { AttemptResult } from './attempt-result.ts';
import { type AttemptSession, HandOverError, openSession } from './attempt-session.ts';
import { endFailedAttempt, handOver } from './end-attempt.ts';
import { mindBreaker } from './mind-breaker.ts';
import { configureSandbox } from './operations/configure.ts';
import { destroySandbox } from './operations/destroy.ts';
import { discardGuest } from './operations/discard.ts';
import { inspectSandbox } from './operations/inspect.ts';
import { pauseSandbox } from './operations/pause.ts';
import { resumeSandbox } from './operations/resume.ts';
import { startSandbox } from './operations/start.ts';
import { waitForSlot, withinShare } from './slot-share.ts';
import type { WorkerDeps } from './worker-deps.ts';

type Handler = (session: AttemptSession, deps: WorkerDeps) => Promise<Settlement>;

const HANDLERS = {
  start: startSandbox,
  pause: pauseSandbox,
  resume: resumeSandbox,
  destroy: destroySandbox,
  inspect: inspectSandbox,
  configure: configureSandbox,
  discard: discardGuest,
} as const satisfies Record<OperationKind, Handler>;

/**
 * How soon an attempt that a newer release wrote is offered again. Every worker of the old release that takes it
 * puts it back; while both run, one of the new release has it after some seconds.
 */
const NEWER_DELAY_MS = 2_000;

/**
 * @param jobData as it lies in the queue
 * @throws whatever it cannot judge, `ClaimLostError` among it
 */
export async function runAttempt(
  deps: WorkerDeps,
  jobData: unknown,
  signal: AbortSignal,
): Promise<AttemptResult> {
  try {
    return await runJob(deps, parseAttemptJob(jobData), signal);
  } catch (error) {
    if (!isNewerSchema(error)) throw error;
    deps.log.warn({ err: error }, 'left to a worker of the newer release');
    return leftToNewer(error.message);
  }
}

function leftToNewer(why: string): AttemptResult {
  return { result: 'parked', delayMs: NEWER_DELAY_MS, why };
}

async function runJob(deps: WorkerDeps, job: AttemptJob, signal: AbortSignal): Promise<AttemptResult> {
  const subject = await subjectOf(deps, job);
  if (subject === undefined) return { result: 'unrecorded' };
  const likelyGuestId = job.guestId;
  let claimedAtMs = performance.now();
  const claim = (slot?: ClaimOptions['slot']) => {
    claimedAtMs = performance.now();
    return deps.store.claims.claim(subject, job.attempt, `${deps.workerName} ${randomUUID()}`, {
      ...(slot === undefined ? {} : { slot }),
      ...(likelyGuestId === undefined ? {} : { likelyGuestId }),
    });
  };
  // Read while the claim is made: a start waits for one answer instead of two.
  const breaker = job.kind === 'start' ? deps.store.breakers.read(deps.provider.failureDomain) : undefined;
  breaker?.catch(() => undefined); // Whoever awaits it is told; without a claim nobody does.
  return withinShare(deps, subject, claim, (claimed) =>
    runClaimed(deps, claimed, claimedAtMs, breaker, signal),
  );
}

/** A job says all that a claim needs, but for the discards of an earlier release, whose guest is on record. */
async function subjectOf({ store }: WorkerDeps, job: AttemptJob): Promise<ClaimSubject | undefined> {
  const { operationId: id, kind, sandboxId, guestId } = job;
  if (kind !== 'discard') return { id, kind, sandboxId };
  return guestId === undefined ? store.reading.operation(id) : { id, kind, sandboxId, guestId };
}

async function runClaimed(
  deps: WorkerDeps,
  claimed: ClaimResult,
  claimedAtMs: number,
  breaker: Promise<Breaker> | undefined,
  signal: AbortSignal,
): Promise<AttemptResult> {
  if (claimed.status !== 'claimed') return explainNoClaim(claimed);

  const session = openSession({ ...deps, timing: deps.timing.lease }, claimed.claim, claimedAtMs, signal);
  try {
    if (claimed.claim.operation.pinBroken !== undefined) {
      const result = await supersedePinned(deps, session);
      if (result) return result;
    }
    const superseded = await supersededByDestroy(session);
    if (superseded === undefined) await mindBreaker(deps, session, await breaker);
    const settlement = superseded ?? (await HANDLERS[claimed.claim.operation.kind](session, deps));
    return await settle(deps, session, settlement);
  } catch (error) {
    if (session.pinBroken) {
      const result = await supersedePinned(deps, session);
      if (result) return result;
    }
    if (signal.reason instanceof HandOverError && signal.aborted) return await handOver(deps, session);
    if (!isProviderError(error)) throw error;
    return await endFailedAttempt(deps, session, error.report);
  } finally {
    session.close();
  }
}

function explainNoClaim(claimed: Exclude<ClaimResult, { status: 'claimed' }>): AttemptResult {
  switch (claimed.status) {
    case 'held':
      return {
        result: 'parked',
        delayMs: claimed.waitMs,
        why: 'another worker holds the claim; it is waited for until its lease ends',
      };
    case 'stale':
      return { result: 'skipped', why: `attempt ${claimed.currentAttempt} has taken over` };
    case 'waiting':
      return { result: 'skipped', why: `operation ${claimed.behind} runs first` };
    case 'newer':
      return leftToNewer('a record of it was written by a newer release');
    case 'unslotted':
      return waitForSlot(claimed.place);
    case 'settled':
      return { result: 'skipped', why: 'its operation has settled' };
    case 'gone':
      return { result: 'unrecorded' };
  }
}

/** A destroy that waits behind a start ends its further attempts. */
async function supersededByDestroy({ claim, guest }: AttemptSession): Promise<Settlement | undefined> {
  const { operation, attempt } = claim;
  if (operation.kind !== 'start' || attempt.number === 1 || !(await claim.destroyWaits())) return undefined;
  return {
    operation: { state: 'superseded' },
    sandbox: { state: 'failed', cause: 'a destroy was asked for while it started' },
    guestFate: guest?.sentAtMs === undefined ? 'gone' : 'condemn',
  };
}

/**
 * Somebody used the sandbox after it was decided to pause or destroy it, and nothing was sent yet. Nothing when a
 * caller has come to want the same.
 */
async function supersedePinned(
  { store, submitter, nowMs }: WorkerDeps,
  session: AttemptSession,
): Promise<AttemptResult | undefined> {
  const { operation, sandbox } = session.claim;
  const { pin, pinBroken = 'activity' } = operation;
  if (pin === undefined) return undefined;
  // It waited for its turn, and showed that it was about to be paused.
  const shown = sandbox !== undefined && sandbox.state === stateDuring(operation.kind);
  const back = { state: pin.state, cause: `used again before it was sent: ${pinBroken}` };
  const kept = sandbox?.preservesRam === undefined ? {} : { preservesRam: sandbox.preservesRam };
  const settled = await store.attempts.supersede(
    session.current(),
    {
      operation: { state: 'superseded' },
      ...(shown ? { sandbox: { ...back, ...kept } } : {}),
      guestFate: 'carry',
    },
    nowMs(),
  );
  if (settled === 'joined') return undefined;
  if (settled.next !== undefined) await submitter.advance(settled.next);
  return { result: 'succeeded', summary: `superseded: ${pinBroken}` };
}

async function settle(
  deps: WorkerDeps,
  session: AttemptSession,
  settlement: Settlement,
): Promise<AttemptResult> {
  const { store, submitter, nowMs } = deps;
  const { next, troubled } = await store.attempts.settle(session.current(), settlement, nowMs());
  if (next !== undefined) await submitter.advance(next);
  if (troubled && settlement.operation.state === 'succeeded') deps.successes.tell(session.claim);
  return { result: 'succeeded', summary: settlement.sandbox?.state ?? settlement.operation.state };
}
