/**
 * How an operation comes to be: decide (pure), write (one transaction), and send the job of its first attempt
 * right behind. A crash between the last two leaves an operation that is due, and rescue adds the job.
 */
import { isLifecycleError } from '../core/lifecycle-error.ts';
import type { Operation, OperationOptions } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { Sandbox } from '../core/sandbox.ts';
import type { StartRequest } from '../core/start-request.ts';
import type { QueueCounts } from '../core/views.ts';
import { createSortableId } from '../platform/ids.ts';
import type { Adjustment } from '../store/adjusting.ts';
import { adjustSandbox } from './adjust-sandbox.ts';
import { advance, queuedOperation, withFirstJob } from './advance.ts';
import type { SubmitOptions } from './answer-once.ts';
import { type ChangeKind, DESTROY_DEADLINE_MS, submitChange } from './submit-change.ts';
import { submitStart } from './submit-start.ts';
import type { SubmitterDeps } from './submitter-deps.ts';

export type { SubmitOptions } from './answer-once.ts';
export type { ChangeKind } from './submit-change.ts';
export type { SubmitterDeps } from './submitter-deps.ts';

/** With an idempotency key the first answer is given again, refusals included. */
export interface Submitter {
  /**
   * @throws `LifecycleError`: `illegal_combination`, `unknown_preset`, `no_provider_available`,
   * `idempotency_key_reused`.
   */
  start(request: StartRequest, options?: SubmitOptions): Promise<Operation>;
  /**
   * @param sandboxId ours or the provider's
   * @throws `LifecycleError`: `not_found`, `wrong_state`, `too_many_operations`, `idempotency_key_reused`.
   */
  change(
    kind: ChangeKind,
    sandboxId: string,
    operationOptions: OperationOptions,
    options?: SubmitOptions,
  ): Promise<Operation>;
  /**
   * A background decision about a sandbox as it was read, with the activity sequence that was read before it. It
   * gives way to every caller, and settles `superseded` without a call to the provider when anybody did anything
   * before its first request is let go. A pause during which somebody did resumes the sandbox as it settles.
   * `undefined`: it does not stand any more already; look at the sandbox again.
   */
  changePinned(
    kind: 'pause' | 'destroy',
    sandbox: Pick<Sandbox, 'id' | 'version' | 'state'>,
    activitySequence: number,
    operationOptions: OperationOptions,
    requestedBy: string,
  ): Promise<Operation | undefined>;
  /**
   * Changes what needs no provider, at once: time to live, protection.
   * @throws `LifecycleError`: `not_found`, `wrong_state`, `idempotency_key_reused`.
   */
  adjust(sandboxId: string, adjustment: Adjustment, options?: SubmitOptions): Promise<Sandbox>;
  /** Removes a condemned guest; `undefined` when one is under way or the guest is neither condemned nor stuck. */
  discard(guestId: string): Promise<Operation | undefined>;
  /** Gets the operation at the head of a line going: opens its first attempt, or settles it at once. */
  advance(operationId: string): Promise<void>;
  /** What lies in the provider's queue. */
  queueCounts(provider: ProviderName): Promise<QueueCounts>;
}

export function createSubmitter(deps: SubmitterDeps): Submitter {
  return {
    start: (request, options = {}) => submitStart(deps, request, options),
    change: (kind, anyId, operationOptions, options = {}) =>
      submitChange(deps, { kind, anyId, options: operationOptions }, options),
    changePinned: (kind, sandbox, activitySequence, operationOptions, requestedBy) => {
      const pin = { version: sandbox.version, state: sandbox.state, activitySequence };
      const change = { kind, anyId: sandbox.id, options: operationOptions, pin };
      return submitChange(deps, change, { requestedBy }).catch(whenItStandsNoMore);
    },
    adjust: (anyId, adjustment, options = {}) => adjustSandbox(deps, anyId, adjustment, options),
    discard: (guestId) => submitDiscard(deps, guestId),
    advance: (operationId) => advance(deps, operationId),
    queueCounts: (provider) => deps.queues.counts(provider),
  };
}

/** Somebody came first; that is no failure of whoever decided. */
function whenItStandsNoMore(error: unknown): undefined {
  if (isLifecycleError(error) && STANDS_NO_MORE.has(error.code)) return undefined;
  throw error;
}

const STANDS_NO_MORE: ReadonlySet<string> = new Set(['superseded', 'wrong_state', 'not_found']);

async function submitDiscard(deps: SubmitterDeps, guestId: string): Promise<Operation | undefined> {
  const { store, nowMs } = deps;
  const guest = await store.reading.guest(guestId);
  if (guest?.state !== 'condemned' && guest?.state !== 'stuck') return undefined;
  const now = nowMs();
  const operation = {
    id: createSortableId('op', now),
    kind: 'discard' as const,
    sandboxId: guest.sandboxId,
    guestId,
    options: {},
    route: { candidates: [], leftOut: [] },
    requestedBy: 'the sweep discard-condemned',
    createdAtMs: now,
    deadlineAtMs: now + DESTROY_DEADLINE_MS,
  };
  const writing = store.submission.discard(operation, guest);
  const { result } = await withFirstJob(deps, writing, operation, guest.provider, guest.id);
  return result === 'written' ? queuedOperation(operation, guest.provider) : undefined;
}
