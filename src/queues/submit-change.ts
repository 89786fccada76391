import { type Admission, admit } from '../core/admission.ts';
import { LifecycleError } from '../core/lifecycle-error.ts';
import type { Operation, OperationKind, OperationOptions, Pin } from '../core/operation.ts';
import { isEnded, type Sandbox } from '../core/sandbox.ts';
import { createSortableId } from '../platform/ids.ts';
import type { IdempotencyKey } from '../store/idempotency.ts';
import type { NewOperation } from '../store/submission.ts';
import { advance, queuedOperation, withFirstJob } from './advance.ts';
import { answerOnce, checked, keyFor, type SubmitOptions, UNNAMED } from './answer-once.ts';
import { findSandboxWithLine } from './find-sandbox.ts';
import { replayedOperation } from './replayed-operation.ts';
import type { SubmitterDeps } from './submitter-deps.ts';

/** Each loss of this race means that somebody else's change was written, so a few tries always suffice. */
const MAX_CONFLICTS = 20;
/** Long enough for a big memory image on a slow disk, with retries. */
export const CHANGE_DEADLINE_MS = 15 * 60_000;
/** Somebody waits for the answer of a question; later it is out of date. A renewal that waited is asked for anew. */
const INSPECT_DEADLINE_MS = 30_000;
/** A destroy gives up last: what it leaves behind costs money. */
export const DESTROY_DEADLINE_MS = 24 * 60 * 60_000;

export type ChangeKind = Exclude<OperationKind, 'start' | 'discard'>;

const DEADLINE_MS: Readonly<Record<ChangeKind, number>> = {
  pause: CHANGE_DEADLINE_MS,
  resume: CHANGE_DEADLINE_MS,
  destroy: DESTROY_DEADLINE_MS,
  inspect: INSPECT_DEADLINE_MS,
  configure: INSPECT_DEADLINE_MS,
};

export interface Change {
  readonly kind: ChangeKind;
  /** Ours or the provider's. */
  readonly anyId: string;
  readonly options: OperationOptions;
  /** A background decision: see `Submitter.changePinned`. */
  readonly pin?: Pin & { readonly version: number };
}

export async function submitChange(
  deps: SubmitterDeps,
  change: Change,
  options: SubmitOptions,
): Promise<Operation> {
  const key = keyFor(options, change);
  return answerOnce(
    deps.store,
    key,
    () => decideChange(deps, change, options, key),
    (known) => replayedOperation(deps.store, known),
  );
}

async function decideChange(
  deps: SubmitterDeps,
  change: Change,
  { expectTeamId, requestedBy = UNNAMED }: SubmitOptions,
  key: IdempotencyKey | undefined,
): Promise<Operation> {
  const { store, nowMs } = deps;
  const { kind } = change;
  for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts += 1) {
    const { sandbox, pending } = await findSandboxWithLine(store, change.anyId, expectTeamId);
    const { pin } = change;
    if (pin && pin.version !== sandbox.version) throw noLongerStands(sandbox.id);
    const admission = admit({
      state: sandbox.state,
      pending: pending.map((operation) => ({ ...operation, pinned: operation.pin !== undefined })),
      request: { ...change, pinned: pin !== undefined },
    });
    if (admission.verdict === 'refuse') {
      throw new LifecycleError({
        code: admission.code,
        message: `cannot ${kind} ${sandbox.id}: ${admission.message}`,
        retryable: admission.code === 'too_many_operations',
        sandboxId: sandbox.id,
      });
    }
    const now = nowMs();
    const operation: NewOperation = {
      id: createSortableId('op', now),
      kind,
      sandboxId: sandbox.id,
      options: change.options,
      route: { candidates: [], leftOut: [] },
      requestedBy,
      createdAtMs: now,
      deadlineAtMs: now + DEADLINE_MS[kind],
      ...(pin ? { pin: { activitySequence: pin.activitySequence, state: pin.state } } : {}),
    };
    const outcome = await writeChange(deps, { sandbox, pending, admission, operation, key });
    if (outcome) return outcome;
  }
  throw new LifecycleError({
    code: 'store_unavailable',
    message: `the record of ${change.anyId} kept changing`,
    retryable: true,
  });
}

function noLongerStands(sandboxId: string): LifecycleError {
  return new LifecycleError({
    code: 'superseded',
    message: `${sandboxId} has changed since that was decided`,
    retryable: true,
    sandboxId,
  });
}

interface ChangeWrite {
  readonly sandbox: Sandbox;
  readonly pending: readonly Operation[];
  readonly admission: Exclude<Admission, { verdict: 'refuse' }>;
  readonly operation: NewOperation;
  readonly key: IdempotencyKey | undefined;
}

/** `undefined`: something changed since it was read, decide again. */
async function writeChange(deps: SubmitterDeps, write: ChangeWrite): Promise<Operation | undefined> {
  const { store } = deps;
  const { sandbox, pending, admission, operation, key } = write;
  const supersededIds = admission.verdict === 'already_done' ? [] : admission.supersede;
  const superseded = pending.filter(({ id }) => supersededIds.includes(id));

  if (admission.verdict === 'join') {
    const { operationId } = admission;
    const result = await store.submission.join(operation, sandbox, operationId, superseded, key);
    if (result.result === 'replayed' && key) return replayedOperation(store, checked(result.known, key));
    return result.result === 'written' ? store.reading.operation(operationId) : undefined;
  }
  const isFirst = superseded.length === pending.length;
  const provider = isFirst && !isEnded(sandbox.state) ? sandbox.placement?.provider : undefined;
  const writing = store.submission.enqueue(operation, sandbox, superseded, provider, key);
  const result = await (provider
    ? withFirstJob(deps, writing, operation, provider, sandbox.placement?.guestId)
    : writing);
  if (result.result === 'conflict') return undefined;
  if (result.result === 'replayed' && key) return replayedOperation(store, checked(result.known, key));
  if (provider) return queuedOperation(operation, provider);
  if (isFirst) await advance(deps, operation.id);
  return store.reading.operation(operation.id);
}
