/**
 * How an attempt ends, each in one fenced transaction: with the next attempt, or with the settlement of its
 * operation. Either says in the same write what becomes of the guest, so that none is left that nobody
 * answers for.
 */
import type { Room } from '../core/budget-room.ts';
import type { FailureReport } from '../core/failure.ts';
import type { BillingInstant } from '../core/ledger.ts';
import type { Attempt, AttemptOutcome, OperationFailure, OperationState } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { GuestClock, Reconnect } from '../core/reconnect.ts';
import { meantFor } from '../core/route.ts';
import { isEnded, type SandboxPlacement, type SandboxState } from '../core/sandbox.ts';
import { attemptField, guestIdOf, release } from './attempt-fields.ts';
import { billFate, billSandboxState } from './billing.ts';
import { freeMemory, keepMemory } from './capacity-book.ts';
import { type Claim, ClaimLostError, subjectKeyOf } from './claims.ts';
import { endSandbox } from './ending.ts';
import { emit } from './events.ts';
import type { GuestFate } from './guest-fate.ts';
import { GUEST_RETENTION_MS, type Keys, RETENTION_MS } from './keys.ts';
import { reconnectFields } from './records.ts';
import { keepRenewed } from './renewals.ts';
import { releaseReservation, reserve } from './reservations.ts';
import { countStart } from './start-counts.ts';
import { JOB_EXPECTED_WITHIN_MS } from './submission.ts';
import type { Transaction } from './transaction.ts';
import { releaseVmid } from './vmid-pool.ts';

export interface NextAttempt {
  readonly provider: ProviderName;
  readonly outcome: Extract<AttemptOutcome, 'failed' | 'interrupted'>;
  readonly failure: FailureReport;
  readonly delayMs: number;
  readonly guestFate: GuestFate;
  /** What the next attempt takes of the budgets, in the place of what this one has. */
  readonly room?: Room;
}

export interface Settlement {
  readonly operation: {
    readonly state: Extract<OperationState, 'succeeded' | 'failed' | 'superseded'>;
    readonly failure?: OperationFailure;
    readonly memoryKept?: boolean;
    readonly clock?: GuestClock;
  };
  /** The failure of this attempt, when it failed. */
  readonly attemptFailure?: FailureReport;
  readonly sandbox?: {
    readonly state: SandboxState;
    readonly cause: string;
    readonly placement?: SandboxPlacement;
    readonly preservesRam?: boolean;
    readonly reconnect?: readonly Reconnect[];
    readonly remediation?: string;
  };
  readonly guestFate: GuestFate;
  /** Of a guest that only a person can free: it takes no memory. */
  readonly isOff?: boolean;
  /** When the guest came into the state that is settled, if it was not only now. */
  readonly since?: BillingInstant;
  /** It was looked for until its absence was conclusive, and never seen: nothing of it is billed. */
  readonly neverExisted?: boolean;
  /** When the provider's own TTL is to be renewed; absent for one that was found running: at once. */
  readonly renewAtMs?: number;
  /** Secrets that the guest was given, sealed. */
  readonly sealedSecrets?: Readonly<Record<string, string>>;
}

export interface NoRoom {
  readonly noRoomIn: string;
}

/**
 * Closes this attempt, opens the next, releases the claim. Returns the next attempt's number, or the budget that has
 * no room for it; nothing is written then.
 */
export async function openNextAttempt(
  keys: Keys,
  claim: Claim,
  next: NextAttempt,
  nowMs: number,
): Promise<number | NoRoom> {
  const { operation, attempt } = claim;
  const number = attempt.number + 1;
  const followedBy = `attempt ${number} on ${next.provider}`;
  const carries = next.guestFate === 'carry' || next.guestFate === 'carry_unsent';
  const transaction = claim.begin();
  if (next.room) transaction.guardRoom(keys.budgets.use, next.room);
  const closed = {
    ...attempt,
    ...guestIdOf(claim),
    outcome: next.outcome,
    endedAtMs: nowMs,
    failure: next.failure,
    followedBy,
  };
  const opened: Attempt = {
    number,
    provider: next.provider,
    outcome: 'open',
    openedAtMs: nowMs,
    ...(carries ? guestIdOf(claim) : {}),
  };
  transaction.setFields(keys.operation(operation.id), {
    ...attemptField(closed),
    ...attemptField(opened),
    attempt: number,
  });
  applyFate(transaction, keys, claim, next.guestFate, next.failure.message, nowMs);
  billFate(transaction, keys, claim.guest, next.guestFate, { nowMs });
  emit(transaction, keys, 'attempt.failed', nowMs, {
    sandboxId: operation.sandboxId,
    operationId: operation.id,
    attempt: attempt.number,
    provider: attempt.provider,
    outcome: next.outcome,
    kind: next.failure.kind,
    message: next.failure.message,
    followedBy,
  });
  release(transaction, keys, claim, nowMs + next.delayMs + JOB_EXPECTED_WITHIN_MS);
  if (next.room === undefined) {
    await claim.commit(transaction);
    return number;
  }
  reserve(transaction, keys, operation, next.room, nowMs);
  const result = await transaction.commit();
  if (result.ok) return number;
  if (result.guard === claim.guards) return { noRoomIn: result.actual };
  throw new ClaimLostError(`the claim of ${operation.id} was lost: found "${result.actual}"`);
}

/** Settles the operation and releases the claim. */
export async function settle(
  keys: Keys,
  claim: Claim,
  settlement: Settlement,
  nowMs: number,
): Promise<AfterSettling> {
  const transaction = addSettlement(claim.begin(), keys, claim, settlement, nowMs);
  return afterSettling(await claim.commit(askWhatFollows(transaction, keys, claim)));
}

/** What whoever settled goes on with. */
export interface AfterSettling {
  /** The operation that is now first in line, if any. */
  readonly next: string | undefined;
  /** A breaker counts failures or is not closed, or there is an alert: a success may have to be told. */
  readonly troubled: boolean;
}

/**
 * The last commands of a settling transaction, after whatever else it puts into the line. That nothing is wrong
 * anywhere, as nearly always, comes at no request of its own.
 */
export function askWhatFollows(transaction: Transaction, keys: Keys, { operation }: Claim): Transaction {
  return transaction
    .command('EXISTS', keys.breakers)
    .command('EXISTS', keys.alerts)
    .command('LINDEX', keys.pending(subjectKeyOf(keys, operation)), 0);
}

export function afterSettling(replies: readonly unknown[]): AfterSettling {
  const [breakers, alerts, next] = replies.slice(-3);
  return { next: typeof next === 'string' ? next : undefined, troubled: breakers === 1 || alerts === 1 };
}

/** Everything that settling means, but for finding out who is next. */
export function addSettlement(
  transaction: Transaction,
  keys: Keys,
  claim: Claim,
  settlement: Settlement,
  nowMs: number,
): Transaction {
  const { operation } = claim;
  const operationKey = keys.operation(operation.id);
  const { state, failure, memoryKept, clock } = settlement.operation;
  transaction
    .setFields(operationKey, {
      ...attemptField(closedAttempt(claim, settlement, nowMs)),
      state,
      settledAtMs: nowMs,
      failure: failure && JSON.stringify(failure),
      memoryKept: memoryKept === undefined ? undefined : String(memoryKept),
      clock: clock && JSON.stringify(clock),
    })
    .command('PEXPIRE', operationKey, RETENTION_MS);
  if (settlement.sandbox) {
    writeSandbox(transaction, keys, claim, settlement.sandbox, nowMs);
    if (claim.guest && settlement.sandbox.state === 'running') keepMemory(transaction, keys, claim.guest);
    if (claim.guest && settlement.sandbox.state === 'paused') freeMemory(transaction, keys, claim.guest);
  }
  if (claim.guest && settlement.sealedSecrets) {
    transaction.setFields(keys.guest(claim.guest.id), {
      sealedSecrets: JSON.stringify(settlement.sealedSecrets),
    });
  }
  applyFate(transaction, keys, claim, settlement.guestFate, settlement.sandbox?.cause ?? state, nowMs);
  keepRenewed(transaction, keys, claim.guest, settlement, nowMs);
  billSandboxState(transaction, keys, claim.guest, settlement, nowMs);
  billFate(transaction, keys, claim.guest, settlement.guestFate, { ...settlement, nowMs });
  if (state === 'succeeded' && operation.guestId === undefined) {
    // Its guest was asked for, which is what the time of observation waits for.
    transaction.command('ZREM', keys.sandboxesUnobserved, operation.sandboxId);
  }
  // Of one that succeeded the tally takes it, bit by bit, as the ledger has it.
  if (state !== 'succeeded') releaseReservation(transaction, keys, operation);
  if (state === 'succeeded' && operation.kind === 'start') {
    countStart(transaction, keys, claim.attempt.provider !== meantFor(operation.route), nowMs);
  }
  emitEnding(transaction, keys, claim, settlement, nowMs);
  release(transaction, keys, claim, undefined);
  return transaction
    .command('ZREM', keys.operationsDue, operation.id)
    .command('PUBLISH', keys.settlements, operation.id)
    .command('LREM', keys.pending(subjectKeyOf(keys, operation)), 1, operation.id);
}

function emitEnding(
  transaction: Transaction,
  keys: Keys,
  { operation, attempt }: Claim,
  { operation: { state }, attemptFailure }: Settlement,
  nowMs: number,
): void {
  const ids = { sandboxId: operation.sandboxId, operationId: operation.id };
  if (attemptFailure) {
    emit(transaction, keys, 'attempt.failed', nowMs, {
      ...ids,
      attempt: attempt.number,
      provider: attempt.provider,
      outcome: attemptFailure.kind === 'interrupted' ? 'interrupted' : 'failed',
      kind: attemptFailure.kind,
      message: attemptFailure.message,
      followedBy: '',
    });
  }
  emit(transaction, keys, 'operation.settled', nowMs, {
    ...ids,
    kind: operation.kind,
    state,
    provider: attempt.provider,
    lastAttempt: attemptFailure ? 'failed' : state,
    durationMs: nowMs - operation.createdAtMs,
  });
}

function closedAttempt(claim: Claim, settlement: Settlement, nowMs: number): Attempt {
  return {
    ...claim.attempt,
    ...guestIdOf(claim),
    outcome: settlement.operation.state,
    endedAtMs: nowMs,
    ...(settlement.attemptFailure ? { failure: settlement.attemptFailure } : {}),
  };
}

function writeSandbox(
  transaction: Transaction,
  keys: Keys,
  { operation, sandbox }: Claim,
  change: NonNullable<Settlement['sandbox']>,
  nowMs: number,
): void {
  const key = keys.sandbox(operation.sandboxId);
  const failedOver = operation.attempts
    .map((attempt) => attempt.provider)
    .filter((provider) => provider !== change.placement?.provider);
  transaction.setFields(key, {
    state: change.state,
    updatedAtMs: nowMs,
    cause: change.cause,
    placement: change.placement && JSON.stringify(change.placement),
    fellBackFrom:
      operation.kind === 'start' && failedOver.length > 0
        ? JSON.stringify([...new Set(failedOver)])
        : undefined,
    preservesRam: change.preservesRam === undefined ? null : String(change.preservesRam),
    ...reconnectFields(change.reconnect),
    remediation: change.remediation ?? null,
  });
  for (const id of change.placement ? [change.placement.guestId, change.placement.nativeId] : []) {
    transaction.command('SET', keys.native(id), operation.sandboxId);
  }
  if (isEnded(change.state)) endSandbox(transaction, keys, operation.sandboxId, sandbox?.placement, nowMs);
  emit(transaction, keys, 'sandbox.changed', nowMs, {
    sandboxId: operation.sandboxId,
    operationId: operation.id,
    from: sandbox?.state ?? '',
    to: change.state,
  });
}

function applyFate(
  transaction: Transaction,
  keys: Keys,
  { guest, operation }: Claim,
  fate: GuestFate,
  cause: string,
  nowMs: number,
): void {
  if (guest === undefined) return;
  const key = keys.guest(guest.id);
  switch (fate) {
    case 'carry':
      return;
    case 'carry_unsent':
      transaction.setFields(key, { sentAtMs: null, ref: null, creationTask: null });
      return;
    case 'keep':
      transaction.setFields(key, { state: 'live' });
      return;
    case 'condemn':
      transaction
        .setFields(key, { state: 'condemned', condemnedAtMs: nowMs, cause })
        .command('ZADD', keys.guestsCondemned, nowMs, guest.id);
      emit(transaction, keys, 'guest.condemned', nowMs, {
        sandboxId: operation.sandboxId,
        operationId: operation.id,
        guestId: guest.id,
        provider: guest.provider,
      });
      return;
    case 'stuck':
      // It stays in the index of the condemned: once a person has freed it, the sweep removes it.
      transaction.setFields(key, { state: 'stuck', cause });
      return;
    case 'gone':
      transaction
        .setFields(key, { state: 'gone', cause })
        .command('ZREM', keys.guestsCondemned, guest.id)
        .command('ZREM', keys.guestsOf(guest.provider), guest.id)
        .command('PEXPIRE', key, GUEST_RETENTION_MS);
      releaseVmid(transaction, keys, guest, nowMs);
      freeMemory(transaction, keys, guest);
      return;
  }
}
