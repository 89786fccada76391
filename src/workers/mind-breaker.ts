/** Between an attempt and the breaker of its failure domain: what it tells, and what it is told. */
import { type Breaker, judgeFailure } from '../core/breaker.ts';
import { alertFor, type FailureReport } from '../core/failure.ts';
import type { NextStep } from '../core/next-step.ts';
import type { Attempt, Operation } from '../core/operation.ts';
import { ProviderError } from '../providers/provider-error.ts';
import type { Claim } from '../store/claims.ts';
import type { AttemptSession } from './attempt-session.ts';
import { type BreakerDeps, faultSubject, withoutFailing } from './breaker-subject.ts';
import { remainingCandidates } from './remaining-candidates.ts';

/**
 * A start that was queued before the breaker opened goes where it works. It ends unsent, so nothing is left
 * behind; with nowhere else to go it is sent all the same.
 * @param breaker as it was read while the claim was made; absent: this is no start
 * @throws ProviderError `breaker_open`
 */
export async function mindBreaker(
  { store, provider, nowMs }: BreakerDeps,
  { claim, guest }: AttemptSession,
  breaker: Breaker | undefined,
): Promise<void> {
  if (breaker === undefined || breaker.state === 'closed' || guest !== undefined) return;
  const [next] = (await remainingCandidates(store, claim, nowMs())).candidates;
  if (next === undefined || !next.works) return;
  if (await store.breakers.admit(provider.failureDomain, nowMs())) return;
  throw new ProviderError({
    kind: 'breaker_open',
    effect: 'none',
    message: `not sent: the breaker of ${provider.failureDomain} is open (${breaker.reason})`,
    provider: provider.name,
  });
}

export async function tellOfFailure(
  deps: BreakerDeps,
  { operation, attempt, guest, sandbox }: Claim,
  failure: FailureReport,
  next: NextStep,
): Promise<void> {
  const { store, provider } = deps;
  const { kind } = operation;
  await withoutFailing(deps, async (nowMs) => {
    const countedBefore = kind === 'start' && (await wasCountedBefore(deps, operation, attempt));
    const looksAgain = looksForItsGuest(attempt);
    const judged = judgeFailure({ kind, failure: failure.kind, step: next.step, looksAgain, countedBefore });
    if (judged !== undefined) {
      const reason = failure.message;
      // One that sent nothing failed within this run, however long its job waited before.
      const beganAtMs = guest?.sentAtMs ?? nowMs;
      await store.breakers.record(
        provider.failureDomain,
        { result: 'failed', ...judged, reason, beganAtMs },
        nowMs,
      );
    }
    const alert = alertFor(failure.kind);
    if (alert !== undefined) {
      const subject = faultSubject(provider.name, operation, sandbox?.request.preset);
      const { message, remediation } = failure;
      await store.alerts.raise(
        { name: alert, subject, message, ...(remediation ? { remediation } : {}) },
        nowMs,
      );
    }
  });
}

function looksForItsGuest({ holdFor, holdSinceMs }: Attempt): boolean {
  return holdFor === 'guest' && holdSinceMs !== undefined;
}

/** Both kinds on one Proxmox share a breaker, and a start that fails at both is one start. */
async function wasCountedBefore(
  { store, provider }: BreakerDeps,
  { attempts }: Operation,
  { number }: Attempt,
): Promise<boolean> {
  const elsewhere = attempts.filter((each) => each.number < number && each.provider !== provider.name);
  const counted = elsewhere.filter(
    (each) =>
      each.failure !== undefined &&
      judgeFailure({
        kind: 'start',
        failure: each.failure.kind,
        step: 'fall_back',
        looksAgain: looksForItsGuest(each),
      }) !== undefined,
  );
  if (counted.length === 0) return false;
  const statuses = (await store.deployment.view())?.statuses ?? [];
  return counted.some((each) =>
    statuses.some(
      (status) => status.provider === each.provider && status.failureDomain === provider.failureDomain,
    ),
  );
}
