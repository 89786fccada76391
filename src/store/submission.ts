/**
 * Writing what was asked for: the operation, with its sandbox if it is a start, its place in the sandbox's
 * line and its idempotency key, in one transaction. The first attempt is opened in the same write when the
 * operation is first in line; else when the one before it settles.
 */
import type { Room } from '../core/budget-room.ts';
import type { Guest } from '../core/guest.ts';
import type {
  Operation,
  OperationFailure,
  OperationKind,
  OperationOptions,
  Pin,
  Route,
} from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import { isEnded, type Sandbox } from '../core/sandbox.ts';
import type { StartRequest } from '../core/start-request.ts';
import { noteActivity } from './activity-writes.ts';
import { endSandbox } from './ending.ts';
import { emit } from './events.ts';
import {
  beginWithKey,
  type FirstAnswer,
  type IdempotencyKey,
  type KnownKey,
  parseKnownKey,
} from './idempotency.ts';
import { type Keys, OPERATIONS_RECENT_MS, RETENTION_MS } from './keys.ts';
import { SCHEMA_VERSION } from './records.ts';
import { releaseReservation, reserve } from './reservations.ts';
import type { BeginTransaction, Transaction, TransactionResult } from './transaction.ts';

/** Until a job was added rescue should look soon; a healthy submitter adds it within milliseconds. */
export const JOB_EXPECTED_WITHIN_MS = 5_000;

export interface NewOperation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly sandboxId: string;
  readonly guestId?: string;
  readonly options: OperationOptions;
  readonly route: Route;
  readonly requestedBy: string;
  readonly createdAtMs: number;
  readonly deadlineAtMs: number;
  readonly pin?: Pin;
  /** What a start takes of the budgets it counts against. */
  readonly room?: Room;
}

export type SubmissionResult =
  | { readonly result: 'written' }
  /** The idempotency key is known: its first answer counts. */
  | { readonly result: 'replayed'; readonly known: KnownKey }
  /** This budget has no room for the start any more: decide again. */
  | { readonly result: 'no_room'; readonly budget: string }
  /** Something changed since the decision was made: read and decide again. */
  | { readonly result: 'conflict' };

export interface Submission {
  start(
    operation: NewOperation,
    request: StartRequest,
    provider: ProviderName,
    idempotency: IdempotencyKey | undefined,
  ): Promise<SubmissionResult>;
  /** `provider`: opens the first attempt there at once, because the operation is first in line. */
  enqueue(
    operation: NewOperation,
    sandbox: Sandbox,
    supersede: readonly Operation[],
    provider: ProviderName | undefined,
    idempotency: IdempotencyKey | undefined,
  ): Promise<SubmissionResult>;
  /** Joins an operation that is under way, remembering that this key means it. */
  join(
    request: NewOperation,
    sandbox: Sandbox,
    operationId: string,
    supersede: readonly Operation[],
    idempotency: IdempotencyKey | undefined,
  ): Promise<SubmissionResult>;
  /** A `discard` of a condemned guest, or of one that was stuck when it was last tried. A guest has at most one unsettled. */
  discard(
    operation: NewOperation & { readonly guestId: string },
    guest: Pick<Guest, 'provider' | 'state'>,
  ): Promise<SubmissionResult>;
  /** Opens the first attempt of an operation that came to the head of its line. False: somebody else did. */
  openFirstAttempt(operation: Operation, provider: ProviderName, nowMs: number): Promise<boolean>;
  /**
   * Settles an operation for which there is nothing to do at a provider: its sandbox has ended or never got
   * a guest. Returns the operation that is now first in line, or `conflict`.
   */
  settleWithoutAttempt(
    operation: Operation,
    sandbox: Sandbox,
    failure: OperationFailure | undefined,
    nowMs: number,
  ): Promise<{ readonly next: string | undefined } | 'conflict'>;
}

interface Deps {
  readonly begin: BeginTransaction;
  readonly keys: Keys;
}

export function createSubmission(begin: BeginTransaction, keys: Keys): Submission {
  const deps = { begin, keys };
  return {
    start: (...args) => submitStart(deps, ...args),
    enqueue: (...args) => enqueue(deps, ...args),
    join: (...args) => join(deps, ...args),
    discard: (...args) => discard(deps, ...args),
    openFirstAttempt: (...args) => openFirstAttempt(deps, ...args),
    settleWithoutAttempt: (...args) => settleWithoutAttempt(deps, ...args),
  };
}

async function submitStart(
  { begin, keys }: Deps,
  ...[operation, request, provider, idempotency]: Parameters<Submission['start']>
): Promise<SubmissionResult> {
  const sandboxKey = keys.sandbox(operation.sandboxId);
  const transaction = beginWithKey(begin, keys, idempotency, answered(operation.id)).guardAbsent(sandboxKey);
  if (operation.room) transaction.guardRoom(keys.budgets.use, operation.room);
  transaction.setFields(sandboxKey, {
    id: operation.sandboxId,
    schemaVersion: SCHEMA_VERSION,
    state: 'requested',
    version: 1,
    epoch: 0,
    request: JSON.stringify(request),
    createdAtMs: operation.createdAtMs,
    updatedAtMs: operation.createdAtMs,
    cause: operation.id,
  });
  transaction.command('ZADD', keys.sandboxesCurrent, operation.createdAtMs, operation.sandboxId);
  writeOperation(transaction, keys, sandboxKey, operation, provider);
  emit(transaction, keys, 'sandbox.changed', operation.createdAtMs, {
    sandboxId: operation.sandboxId,
    operationId: operation.id,
    from: '',
    to: 'requested',
  });
  if (operation.room) reserve(transaction, keys, { id: operation.id }, operation.room, operation.createdAtMs);
  const result = await transaction.commit();
  // Behind the guards of the key, if there is one, and of the sandbox.
  const roomGuard = idempotency === undefined ? 1 : 2;
  if (!result.ok && result.guard === roomGuard) return { result: 'no_room', budget: result.actual };
  return submissionResult(result, idempotency);
}

async function enqueue(
  { begin, keys }: Deps,
  ...[operation, sandbox, supersede, provider, idempotency]: Parameters<Submission['enqueue']>
): Promise<SubmissionResult> {
  const sandboxKey = keys.sandbox(sandbox.id);
  const transaction = beginWithKey(begin, keys, idempotency, answered(operation.id));
  guardUnchanged(transaction, sandboxKey, sandbox);
  for (const old of supersede) settleOperation(transaction, keys, old, 'superseded', operation.createdAtMs);
  noteCaller(transaction, keys, operation);
  writeOperation(transaction, keys, sandboxKey, operation, provider);
  return commit(transaction, idempotency);
}

async function join(
  { begin, keys }: Deps,
  ...[request, sandbox, operationId, supersede, idempotency]: Parameters<Submission['join']>
): Promise<SubmissionResult> {
  const transaction = beginWithKey(begin, keys, idempotency, answered(operationId));
  // A join alone leaves the line as it is, so that a thousand of them at once do not get into each other's way.
  if (supersede.length > 0) guardUnchanged(transaction, keys.sandbox(sandbox.id), sandbox);
  else transaction.guardField(keys.sandbox(sandbox.id), 'version', sandbox.version);
  for (const old of supersede) {
    settleOperation(transaction, keys, old, 'superseded', request.createdAtMs);
  }
  if (request.pin === undefined) {
    const pin = { pinnedActivity: null, pinnedState: null, pinBroken: null };
    transaction.setFields(keys.operation(operationId), pin);
  }
  noteCaller(transaction, keys, request);
  emitRequested(transaction, keys, { ...request, id: operationId }, true);
  return commit(transaction, idempotency);
}

async function discard(
  { begin, keys }: Deps,
  ...[operation, { provider, state }]: Parameters<Submission['discard']>
): Promise<SubmissionResult> {
  const guestKey = keys.guest(operation.guestId);
  const transaction = begin().guardField(guestKey, 'state', state).guardFirst(keys.pending(guestKey), '');
  writeOperation(transaction, keys, guestKey, operation, provider);
  return commit(transaction, undefined);
}

async function openFirstAttempt(
  { begin, keys }: Deps,
  ...[operation, provider, nowMs]: Parameters<Submission['openFirstAttempt']>
): Promise<boolean> {
  const operationKey = keys.operation(operation.id);
  const transaction = begin()
    .guardField(operationKey, 'state', 'queued')
    .guardField(operationKey, 'attempt', 0)
    .setFields(operationKey, firstAttempt(provider, nowMs))
    .command('ZADD', keys.operationsDue, nowMs + JOB_EXPECTED_WITHIN_MS, operation.id);
  return (await transaction.commit()).ok;
}

async function settleWithoutAttempt(
  { begin, keys }: Deps,
  ...[operation, sandbox, failure, nowMs]: Parameters<Submission['settleWithoutAttempt']>
): ReturnType<Submission['settleWithoutAttempt']> {
  const operationKey = keys.operation(operation.id);
  const sandboxKey = keys.sandbox(sandbox.id);
  const transaction = begin().guardField(operationKey, 'attempt', 0);
  guardUnchanged(transaction, sandboxKey, sandbox);
  if (failure === undefined && !isEnded(sandbox.state)) {
    transaction.setFields(sandboxKey, { state: 'destroyed', updatedAtMs: nowMs, cause: operation.id });
    endSandbox(transaction, keys, sandbox.id, sandbox.placement, nowMs);
    emit(transaction, keys, 'sandbox.changed', nowMs, {
      sandboxId: sandbox.id,
      operationId: operation.id,
      from: sandbox.state,
      to: 'destroyed',
    });
  }
  if (failure) transaction.setFields(operationKey, { failure: JSON.stringify(failure) });
  settleOperation(transaction, keys, operation, failure ? 'failed' : 'succeeded', nowMs);
  transaction.command('LINDEX', keys.pending(sandboxKey), 0);
  const result = await transaction.commit();
  if (!result.ok) return 'conflict';
  const next = result.replies.at(-1);
  return { next: typeof next === 'string' ? next : undefined };
}

/** Transactions carry the idempotency guard first, so that guard 0 means a known key. */
async function commit(
  transaction: Transaction,
  idempotency: IdempotencyKey | undefined,
): Promise<SubmissionResult> {
  return submissionResult(await transaction.commit(), idempotency);
}

function submissionResult(
  result: TransactionResult,
  idempotency: IdempotencyKey | undefined,
): SubmissionResult {
  if (result.ok) return { result: 'written' };
  if (idempotency === undefined || result.guard !== 0) return { result: 'conflict' };
  return { result: 'replayed', known: parseKnownKey(result.actual) };
}

/** Who asks for a resume is about to use it. */
function noteCaller(
  transaction: Transaction,
  keys: Keys,
  { kind, sandboxId, requestedBy, createdAtMs }: NewOperation,
): void {
  if (kind === 'resume') noteActivity(transaction, keys, sandboxId, `resume by ${requestedBy}`, createdAtMs);
}

function answered(operationId: string): FirstAnswer {
  return { answer: 'operation', operationId };
}

function guardUnchanged(transaction: Transaction, sandboxKey: string, sandbox: Sandbox): void {
  transaction.guardField(sandboxKey, 'version', sandbox.version).command('HINCRBY', sandboxKey, 'version', 1);
}

export function writeOperation(
  transaction: Transaction,
  keys: Keys,
  subjectKey: string,
  operation: NewOperation,
  provider: ProviderName | undefined,
): void {
  const { id, createdAtMs } = operation;
  transaction
    .setFields(keys.operation(id), {
      id,
      schemaVersion: SCHEMA_VERSION,
      kind: operation.kind,
      sandboxId: operation.sandboxId,
      guestId: operation.guestId,
      state: 'queued',
      options: JSON.stringify(operation.options),
      route: JSON.stringify(operation.route),
      requestedBy: operation.requestedBy,
      createdAtMs,
      deadlineAtMs: operation.deadlineAtMs,
      attempt: 0,
      ...(provider ? firstAttempt(provider, createdAtMs) : {}),
      pinnedActivity: operation.pin?.activitySequence,
      pinnedState: operation.pin?.state,
    })
    .command('RPUSH', keys.pending(subjectKey), id)
    .command('ZADD', keys.operationsRecent, createdAtMs, id)
    .command('ZREMRANGEBYSCORE', keys.operationsRecent, '-inf', createdAtMs - OPERATIONS_RECENT_MS)
    .command('ZADD', keys.operationsDue, createdAtMs + JOB_EXPECTED_WITHIN_MS, id);
  emitRequested(transaction, keys, operation, false);
}

function emitRequested(
  transaction: Transaction,
  keys: Keys,
  { id, sandboxId, kind, requestedBy, createdAtMs }: NewOperation,
  joined: boolean,
): void {
  const event = { sandboxId, operationId: id, kind, by: requestedBy, joined };
  emit(transaction, keys, 'operation.requested', createdAtMs, event);
}

function firstAttempt(provider: ProviderName, nowMs: number) {
  return {
    attempt: 1,
    'attempt:1': JSON.stringify({ number: 1, provider, outcome: 'open', openedAtMs: nowMs }),
  };
}

/**
 * Settles an operation that was never claimed: the guard on the sandbox's version proves it, since a claim
 * raises the version.
 */
function settleOperation(
  transaction: Transaction,
  keys: Keys,
  operation: Operation,
  state: 'succeeded' | 'failed' | 'superseded',
  nowMs: number,
): void {
  const key = keys.operation(operation.id);
  transaction
    .setFields(key, { state, settledAtMs: nowMs })
    .command('LREM', keys.pending(keys.sandbox(operation.sandboxId)), 1, operation.id)
    .command('ZREM', keys.operationsDue, operation.id)
    .command('PEXPIRE', key, RETENTION_MS)
    .command('PUBLISH', keys.settlements, operation.id);
  if (state !== 'succeeded') releaseReservation(transaction, keys, operation);
  emit(transaction, keys, 'operation.settled', nowMs, {
    sandboxId: operation.sandboxId,
    operationId: operation.id,
    kind: operation.kind,
    state,
    provider: '',
    lastAttempt: '',
    durationMs: nowMs - operation.createdAtMs,
  });
}
