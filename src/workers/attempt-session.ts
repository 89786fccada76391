/**
 * One run of one attempt under its claim: keeps the lease alive, stops everything when it is lost, and lets
 * side effects out only through `step`.
 *
 * The lease is judged on this process's monotonic clock, counted from before each renewal was sent, so that
 * it always ends here before it ends in Redis. A process that was frozen finds the clock past the end before
 * it sends anything.
 */
import type { Guest, GuestIntent } from '../core/guest.ts';
import type { BillingInstant } from '../core/ledger.ts';
import type { Operation } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { CreatedGuest, ProviderCall } from '../providers/provider.ts';
import { ProviderError } from '../providers/provider-error.ts';
import { type Claim, ClaimLostError, type LeaseTiming } from '../store/claims.ts';
import type { Store } from '../store/store.ts';
import { createBillingClock } from './billing-clock.ts';

/** Why a running attempt is to stop although its claim is fine: the process shuts down. */
export class HandOverError extends Error {
  override readonly name = 'HandOverError';
}

/** Called around every side effect, in order; tests list and interrupt steps with it. */
export type StepObserver = (
  name: string,
  when: 'before' | 'after',
  on: { readonly operation: Operation; readonly provider: ProviderName },
) => void | Promise<void>;

export interface AttemptSession {
  readonly claim: Claim;
  readonly call: ProviderCall;
  /** The guest of this attempt as this run knows it: newer than `claim.guest` once an intent was recorded. */
  readonly guest: Guest | undefined;
  /** With its send permit: this run may send the create. */
  recordIntent(intent: GuestIntent): Promise<Guest>;
  takeSendPermit(guestId: string): Promise<boolean>;
  recordCreated(created: CreatedGuest): Promise<void>;
  /** Since when the guest runs, as far as this run brought that about or heard of it. */
  runningSince(): BillingInstant;
  /** There was activity since it was decided in the background: nothing was sent, and nothing may be. */
  readonly pinBroken: boolean;
  /** The claim with what this run added to it, for the write that ends the attempt. */
  current(): Claim;
  close(): void;
}

export interface SessionDeps {
  readonly store: Store;
  readonly timing: LeaseTiming;
  readonly nowMs: () => number;
  readonly onStep?: StepObserver;
}

/** Renewing three times a lease survives one lost renewal. */
const RENEWALS_PER_LEASE = 3;
/**
 * A proof of the claim serves for this part of the send deadline; what is sent on it has the rest of that
 * deadline, counted from the proof. More would leave a slow connection too little of it; less would ask Redis
 * again between two steps that follow at once.
 */
const PROOF_SERVES_FOR = 0.25;

export function openSession(
  deps: SessionDeps,
  claim: Claim,
  claimedAtMonotonicMs: number,
  outerSignal: AbortSignal,
): AttemptSession {
  const { store, timing, nowMs } = deps;
  const lease = keepLease(claim, timing, claimedAtMonotonicMs);
  const signal = AbortSignal.any([outerSignal, lease.signal]);
  const on = { operation: claim.operation, provider: claim.attempt.provider };
  let guest = claim.guest;
  let permitTakenAtMs = Number.POSITIVE_INFINITY;
  const billing = createBillingClock(nowMs);

  let sendRight: 'asked for' | 'sent' | 'broken' = claim.operation.pin === undefined ? 'sent' : 'asked for';

  async function mayBeSent(): Promise<boolean> {
    if (sendRight === 'asked for') {
      sendRight = await proving(() => store.attempts.takeSendRight(claim, nowMs()));
    }
    return sendRight === 'sent';
  }

  const call: ProviderCall = {
    signal,
    holder: claim.operation.id,
    noteRunning: billing.noteRunning,
    async step(name, send) {
      signal.throwIfAborted();
      if (!(await mayBeSent())) throw notSent(name);
      const provedAtMs = await lease.confirm();
      await deps.onStep?.(name, 'before', on);
      signal.throwIfAborted();
      // Counted from the proof, so that a process which is frozen after it finds the deadline passed. A create's
      // counts from its permit, because its guest's absence is judged by when that was taken.
      const fromMs = name === 'create' ? Math.min(permitTakenAtMs, provedAtMs) : provedAtMs;
      billing.noteStep(name);
      const result = await send(fromMs + timing.sendDeadlineMs);
      await deps.onStep?.(name, 'after', on);
      return result;
    },
  };
  const current = (): Claim => ({ ...claim, guest });

  /** A write under the claim that Redis took proves the claim: it is refused once a newer one was made. */
  async function proving<T>(write: () => Promise<T>): Promise<T> {
    const sentAtMs = performance.now();
    const result = await write();
    lease.proved(sentAtMs);
    return result;
  }

  return {
    claim,
    call,
    get guest() {
      return guest;
    },
    async recordIntent(intent) {
      permitTakenAtMs = performance.now();
      guest = await proving(() => store.attempts.recordIntent(claim, intent, nowMs()));
      return guest;
    },
    async takeSendPermit(guestId) {
      const sentAtMs = nowMs();
      permitTakenAtMs = performance.now();
      const taken = await proving(() => store.attempts.takeSendPermit(claim, guestId, sentAtMs));
      if (taken && guest) guest = { ...guest, sentAtMs };
      return taken;
    },
    async recordCreated({ ref, task, billed }) {
      if (guest === undefined) throw new Error(`${ref.guestId} was created without an intent`);
      guest = {
        ...guest,
        ref,
        ...(task === undefined ? {} : { creationTask: task }),
        ...(billed?.size ? { billedSize: billed.size } : {}),
      };
      const since = billing.createdSince(guest, billed);
      const record = { guest, task, since };
      await proving(() => store.attempts.recordCreated(claim, record));
    },
    runningSince: billing.runningSince,
    get pinBroken() {
      return sendRight === 'broken';
    },
    current,
    close: lease.stop,
  };
}

/** In the words of providers, so that a driver gives back what it took for a request that was not sent. */
function notSent(step: string): ProviderError {
  return new ProviderError({
    kind: 'wrong_state',
    effect: 'none',
    message: `there was activity before the ${step} was sent`,
  });
}

function keepLease(claim: Claim, timing: LeaseTiming, claimedAtMonotonicMs: number) {
  const controller = new AbortController();
  let endsAtMs = claimedAtMonotonicMs + timing.leaseMs;
  let provedAtMs = claimedAtMonotonicMs;

  function lose(why: string): ClaimLostError {
    const error = new ClaimLostError(`lost the claim of ${claim.operation.id}: ${why}`);
    controller.abort(error);
    return error;
  }

  /** @throws `ClaimLostError` when the claim is not the newest any more or its lease is over. */
  async function renew(): Promise<void> {
    const sentAtMs = performance.now();
    if (!(await claim.renew())) throw lose('another claim was made');
    endsAtMs = sentAtMs + timing.leaseMs;
    provedAtMs = performance.now();
    if (provedAtMs >= endsAtMs) throw lose('the lease ended while it was renewed');
  }

  /**
   * Returns when, on the monotonic clock, the claim was last proved; asks Redis when that is too long ago.
   * @throws as `renew`
   */
  async function confirm(): Promise<number> {
    const now = performance.now();
    const isFresh = now - provedAtMs < timing.sendDeadlineMs * PROOF_SERVES_FOR && now < endsAtMs;
    if (!isFresh) await renew();
    return provedAtMs;
  }

  const timer = setInterval(() => {
    if (performance.now() >= endsAtMs) lose('the lease ended');
    else renew().catch(() => undefined); // Redis away: the next turn decides by the clock.
  }, timing.leaseMs / RENEWALS_PER_LEASE);

  const proved = (atMs: number) => {
    provedAtMs = Math.max(provedAtMs, atMs);
  };
  return { signal: controller.signal, confirm, proved, stop: () => clearInterval(timer) };
}
