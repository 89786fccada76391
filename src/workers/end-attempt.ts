/** How an attempt without success ends: decided by `decideNextStep`, carried out here. */
import type { FailureReport } from '../core/failure.ts';
import { decideNextStep, holdReasonFor, type NextStep } from '../core/next-step.ts';
import type { Attempt, HoldReason, LeftOut, OperationFailure, OperationKind } from '../core/operation.ts';
import type { GuestObservation } from '../providers/provider.ts';
import { isProviderError } from '../providers/provider-error.ts';
import type { NextAttempt, Settlement } from '../store/attempt-endings.ts';
import type { Claim } from '../store/claims.ts';
import type { GuestFate } from '../store/guest-fate.ts';
import type { AttemptResult } from './attempt-result.ts';
import type { AttemptSession } from './attempt-session.ts';
import { tellOfFailure } from './mind-breaker.ts';
import { isAsRecorded, stateFromObservation } from './observed-state.ts';
import { type Remaining, remainingCandidates } from './remaining-candidates.ts';
import type { WorkerDeps } from './worker-deps.ts';

/** A look at the guest after a change failed; longer would delay the caller's answer. */
const INSPECT_TIMEOUT_MS = 5_000;

/** An operation that brings its worker down every time must not do so for ever. */
const MAX_INTERRUPTIONS = 10;

/** Another start took the room that this one had seen; each time there is less of it, or less to choose from. */
const MAX_LOST_ROOMS = 20;

/** What the ending of an attempt needs beyond the claim; rescue has no session. */
export type EndDeps = Pick<WorkerDeps, 'store' | 'queues' | 'submitter' | 'nowMs' | 'timing' | 'log'>;

export async function endFailedAttempt(
  deps: WorkerDeps,
  session: AttemptSession,
  failure: FailureReport,
): Promise<AttemptResult> {
  const claim = session.current();
  const report: FailureReport = { ...failure, provider: deps.provider.name };
  let told = false;
  for (let lost = 0; lost < MAX_LOST_ROOMS; lost += 1) {
    const { next, remaining } = await decide(deps, claim, report);
    if (!told) await tellOfFailure(deps, claim, report, next);
    told = true;
    if (next.step === 'give_up') {
      const observed = UNSEEN.has(claim.operation.kind) ? undefined : await observe(deps, session);
      return giveUp(deps, claim, report, next, { observed, leftOut: remaining.leftOut });
    }
    const result = await carryOn(deps, claim, report, next, remaining);
    if (result !== 'no_room') return result;
  }
  throw new Error(`the budgets kept changing while ${claim.operation.id} was to fall back`);
}

/** The process shuts down: the next attempt goes on where this one stops. */
export async function handOver(deps: EndDeps, session: AttemptSession): Promise<AttemptResult> {
  return closeInterrupted(deps, session.current(), 'its worker was shut down');
}

/** Closes an attempt whose worker is no more and issues the next, which looks before it sends. */
export async function closeInterrupted(deps: EndDeps, claim: Claim, why: string): Promise<AttemptResult> {
  const { attempt, operation, guest } = claim;
  const failure: FailureReport = {
    kind: 'interrupted',
    effect: 'unknown',
    message: why,
    provider: attempt.provider,
  };
  const interruptions = operation.attempts.filter(({ outcome }) => outcome === 'interrupted').length;
  if (interruptions >= MAX_INTERRUPTIONS) {
    const condemn = guest?.sentAtMs !== undefined;
    return giveUp(deps, claim, failure, { step: 'give_up', code: 'provider_failed', condemn });
  }
  const again = {
    provider: attempt.provider,
    outcome: 'interrupted',
    failure,
    delayMs: 0,
    guestFate: 'carry',
  } as const;
  const result = await issueNext(deps, claim, again);
  // Where it is it has its room already.
  if (result === 'no_room') throw new Error(`${operation.id} asked for room where it had some`);
  return result;
}

/** Nobody took the attempt before the operation's deadline: whoever waits for it is told so. */
export async function closeOverdue(deps: EndDeps, claim: Claim): Promise<AttemptResult> {
  const { attempt, guest } = claim;
  const sent = guest?.sentAtMs !== undefined;
  const failure: FailureReport = {
    kind: 'timed_out',
    effect: sent ? 'unknown' : 'none',
    message: `no worker of ${attempt.provider} took it in time`,
    remediation: `Check that a worker for ${attempt.provider} runs in this deployment.`,
    provider: attempt.provider,
  };
  const step = { step: 'give_up', code: 'deadline_exceeded', condemn: sent } as const;
  return giveUp(deps, claim, failure, step);
}

interface Decision {
  readonly next: NextStep;
  readonly remaining: Remaining;
}

const STAYS: Remaining = { candidates: [], leftOut: [], roomFor: () => undefined };

async function decide(deps: EndDeps, claim: Claim, failure: FailureReport): Promise<Decision> {
  const { operation, attempt, guest } = claim;
  const remaining =
    operation.kind === 'start' ? await remainingCandidates(deps.store, claim, deps.nowMs()) : STAYS;
  const next = decideNextStep({
    kind: operation.kind,
    failure,
    triesHere: operation.attempts.filter(({ provider }) => provider === attempt.provider).length,
    remaining: remaining.candidates.map(({ provider }) => provider),
    ...(guest?.sentAtMs === undefined ? {} : { sentAtMs: guest.sentAtMs }),
    ...holdSince(attempt, holdReasonFor(failure.kind)),
    destroyWaits: operation.kind === 'start' && (await claim.destroyWaits()),
    nowMs: deps.nowMs(),
    deadlineAtMs: operation.deadlineAtMs,
    limits: deps.timing,
  });
  return { next, remaining };
}

/** A hold for another reason began anew. */
function holdSince({ holdFor, holdSinceMs }: Attempt, reason: HoldReason): { readonly holdSinceMs?: number } {
  return holdSinceMs === undefined || holdFor !== reason ? {} : { holdSinceMs };
}

async function carryOn(
  deps: EndDeps,
  claim: Claim,
  failure: FailureReport,
  next: Exclude<NextStep, { step: 'give_up' }>,
  remaining: Remaining,
): Promise<AttemptResult | 'no_room'> {
  switch (next.step) {
    case 'hold': {
      const nowMs = deps.nowMs();
      const { delayMs, holdFor } = next;
      const { holdSinceMs: sinceMs = nowMs } = holdSince(claim.attempt, holdFor);
      await deps.store.attempts.hold(claim, { sinceMs, holdFor, delayMs, nowMs });
      return { result: 'parked', delayMs: next.delayMs, why: `${failure.message}; looking again` };
    }
    case 'retry':
      return issueNext(deps, claim, {
        provider: claim.attempt.provider,
        outcome: 'failed',
        failure,
        delayMs: next.delayMs,
        guestFate: fateOnRetry(claim, next.sameGuest),
      });
    case 'fall_back': {
      const room = remaining.roomFor(next.to);
      return issueNext(deps, claim, {
        provider: next.to,
        outcome: 'failed',
        failure,
        delayMs: 0,
        guestFate: next.condemn ? 'condemn' : 'gone',
        ...(room ? { room } : {}),
      });
    }
  }
}

/** Only a start's retry can follow a create that certainly had no effect, and may then send it again. */
function fateOnRetry({ operation }: Claim, sameGuest: boolean): GuestFate {
  if (!sameGuest) return 'gone';
  return operation.kind === 'start' ? 'carry_unsent' : 'carry';
}

async function issueNext(deps: EndDeps, claim: Claim, next: NextAttempt): Promise<AttemptResult | 'no_room'> {
  const { operation } = claim;
  const number = await deps.store.attempts.openNextAttempt(claim, next, deps.nowMs());
  if (typeof number !== 'number') return 'no_room';
  deps.log.warn(
    {
      operationId: operation.id,
      sandboxId: operation.sandboxId,
      attempt: claim.attempt.number,
      provider: claim.attempt.provider,
      kind: next.failure.kind,
      effect: next.failure.effect,
      followedBy: `attempt ${number} on ${next.provider}`,
    },
    `${operation.kind} attempt ${next.outcome}: ${next.failure.message}`,
  );
  await deps.queues.addAttempt(operation, number, next.provider, next.delayMs);
  return { result: 'failed', reason: `${next.failure.message} → attempt ${number} on ${next.provider}` };
}

async function giveUp(
  deps: EndDeps,
  claim: Claim,
  failure: FailureReport,
  { code, condemn }: NextStep & { readonly step: 'give_up' },
  {
    observed,
    leftOut = [],
  }: { readonly observed?: GuestObservation | undefined; readonly leftOut?: readonly LeftOut[] } = {},
): Promise<AttemptResult> {
  const { operation } = claim;
  const state = code === 'superseded' ? ('superseded' as const) : ('failed' as const);
  const operationFailure = describeFailure(claim, failure, code, leftOut);
  const settlement: Settlement = {
    operation: state === 'failed' ? { state, failure: operationFailure } : { state },
    attemptFailure: failure,
    ...(operation.kind === 'discard'
      ? guestAfterDiscard(claim, failure, observed)
      : sandboxAfterFailure(claim, failure, condemn, observed)),
  };
  const { next } = await deps.store.attempts.settle(claim, settlement, deps.nowMs());
  deps.log.error(
    { operationId: operation.id, sandboxId: operation.sandboxId, code, kind: failure.kind },
    `${operation.kind} gave up: ${operationFailure.message}`,
  );
  if (settlement.guestFate === 'stuck') await tellOfStuck(deps, claim, failure);
  if (next !== undefined) await deps.submitter.advance(next);
  return { result: 'failed', reason: `${failure.message} → gave up: ${code}` };
}

/** No sandbox shows it any more. Reconciliation clears it once the guest is gone; until then each try raises it again. */
async function tellOfStuck(
  { store, nowMs }: EndDeps,
  { guest }: Claim,
  { message, remediation }: FailureReport,
): Promise<void> {
  if (guest === undefined) return;
  const told = { message, ...(remediation === undefined ? {} : { remediation }) };
  await store.alerts.raise({ name: 'guests.stuck', subject: guest.id, ...told }, nowMs());
}

function describeFailure(
  { operation, attempt }: Claim,
  failure: FailureReport,
  code: OperationFailure['code'],
  leftOut: readonly LeftOut[],
): OperationFailure {
  const earlier = operation.attempts.flatMap((each) =>
    each.failure && each.number < attempt.number ? [each.failure] : [],
  );
  const causes = [...earlier, failure];
  const reasons = [
    ...causes.map((cause) => `${cause.provider ?? attempt.provider}: ${cause.message}`),
    ...leftOut.map(({ provider, reason }) => `${provider}: ${reason}`),
  ].join('; ');
  return {
    code,
    message: code === 'no_provider_available' ? `no provider could take it (${reasons})` : failure.message,
    ...(failure.remediation === undefined ? {} : { remediation: failure.remediation }),
    retryable: code === 'no_provider_available' || code === 'provider_failed' || code === 'deadline_exceeded',
    causes,
  };
}

/** One that was never seen whole was never booted. */
function guestAfterDiscard(
  { guest }: Claim,
  { kind }: FailureReport,
  observed: GuestObservation | undefined,
): Pick<Settlement, 'guestFate' | 'isOff'> {
  if (kind !== 'stuck') return { guestFate: 'carry' };
  return { guestFate: 'stuck', isOff: guest?.ref === undefined || observed?.runs === false };
}

/** A start is condemned rather than looked at; a `configure` that failed has moved nothing. */
const UNSEEN: ReadonlySet<OperationKind> = new Set(['start', 'configure']);

/** What these leave when they failed and nothing could be seen is most likely what was there before them. */
const CHANGES: ReadonlySet<OperationKind> = new Set(['pause', 'resume', 'destroy']);

/** The state a sandbox is left in: what was seen at the provider, else what it was before. */
function sandboxAfterFailure(
  { operation, guest, sandbox }: Claim,
  failure: FailureReport,
  condemn: boolean,
  observed: GuestObservation | undefined,
): Pick<Settlement, 'sandbox' | 'guestFate' | 'isOff'> {
  const cause = failure.message;
  if (operation.kind === 'start') {
    const neverSent = guest?.sentAtMs === undefined || !condemn;
    return { sandbox: { state: 'failed', cause }, guestFate: neverSent ? 'gone' : 'condemn' };
  }
  if (failure.kind === 'stuck') {
    const remediation = failure.remediation ?? observed?.remediation;
    return {
      sandbox: { state: 'stuck', cause, ...(remediation === undefined ? {} : { remediation }) },
      guestFate: 'keep',
      isOff: observed?.runs === false,
    };
  }
  const seen = observed && stateFromObservation(observed, cause);
  const isNews = seen && (CHANGES.has(operation.kind) || !isAsRecorded(seen, sandbox));
  if (isNews) return seen;
  if (!CHANGES.has(operation.kind)) return { guestFate: 'carry' };
  // The state itself was overwritten by the claim; this is there only while paused. A pause may have been asked
  // of a paused sandbox, and a resume of a running one.
  const preservesRam = sandbox?.preservesRam;
  return {
    sandbox:
      preservesRam === undefined ? { state: 'running', cause } : { state: 'paused', cause, preservesRam },
    guestFate: 'keep',
  };
}

async function observe(
  { provider }: WorkerDeps,
  { guest, call }: AttemptSession,
): Promise<GuestObservation | undefined> {
  if (!guest?.ref) return undefined;
  try {
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(INSPECT_TIMEOUT_MS)]);
    return await provider.inspect(guest.ref, { ...call, signal });
  } catch (error) {
    if (call.signal.aborted) throw error;
    if (isProviderError(error) || (error instanceof DOMException && error.name === 'TimeoutError'))
      return undefined;
    throw error;
  }
}
