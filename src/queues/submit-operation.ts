/**
 * How an operation comes to be: decide (pure), write (one transaction), then add the job of its first
 * attempt. A crash between the last two leaves an operation that is due, and rescue adds the job.
 */
import { createHash } from 'node:crypto';
import { type Admission, admit, canonicalJson } from '../core/admission.ts';
import { LifecycleError } from '../core/lifecycle-error.ts';
import type { Operation, OperationFailure, OperationKind, OperationOptions } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import { planRoute } from '../core/route.ts';
import { isEnded, type Sandbox } from '../core/sandbox.ts';
import type { Sources, StartRequest } from '../core/start-request.ts';
import { createSortableId } from '../platform/ids.ts';
import type { DeploymentView } from '../store/deployment.ts';
import type { Store } from '../store/store.ts';
import type { IdempotencyKey, NewOperation, SubmissionResult } from '../store/submission.ts';
import type { Queues } from './queues.ts';

/** Each loss of this race means that somebody else's change was written, so a few tries always suffice. */
const MAX_CONFLICTS = 20;
/** Long enough for a big memory image on a slow disk, with retries. */
const CHANGE_DEADLINE_MS = 15 * 60_000;
/** A destroy gives up last: what it leaves behind costs money. */
const DESTROY_DEADLINE_MS = 24 * 60 * 60_000;

export type ChangeKind = Exclude<OperationKind, 'start' | 'discard'>;

export interface SubmitOptions {
  /** Two requests with one key are one; without a key every request is its own. */
  readonly idempotencyKey?: string;
}

export interface Submitter {
  /** @throws `LifecycleError`: `unknown_preset`, `no_provider_available`, `idempotency_key_reused`. */
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
  /** Removes a condemned guest; `undefined` when one is under way or the guest is no longer condemned. */
  discard(guestId: string): Promise<Operation | undefined>;
  /** Gets the operation at the head of a line going: opens its first attempt, or settles it at once. */
  advance(operationId: string): Promise<void>;
}

export interface SubmitterDeps {
  readonly store: Store;
  readonly queues: Queues;
  readonly nowMs: () => number;
}

export function createSubmitter(deps: SubmitterDeps): Submitter {
  return {
    start: (request, options) => submitStart(deps, request, options ?? {}),
    change: (kind, sandboxId, operationOptions, options) =>
      submitChange(deps, kind, sandboxId, operationOptions, options ?? {}),
    discard: (guestId) => submitDiscard(deps, guestId),
    advance: (operationId) => advance(deps, operationId),
  };
}

async function submitStart(
  deps: SubmitterDeps,
  request: StartRequest,
  { idempotencyKey }: SubmitOptions,
): Promise<Operation> {
  const { store, queues, nowMs } = deps;
  const now = nowMs();
  const view = await store.deployment.view();
  if (view === undefined) {
    throw new LifecycleError({
      code: 'no_provider_available',
      message: 'no worker has announced itself in this deployment yet',
      remediation: 'Start one with `cmux-lifecycle serve`, with the same REDIS_URL and DEPLOYMENT.',
      retryable: true,
    });
  }
  const sandboxId = createSortableId('sbx', now);
  const sources = sourcesOf(request, view);
  const route = planRoute({
    request,
    sources,
    sandboxId,
    policy: view.settings.routing,
    statuses: view.statuses,
  });
  const [first] = route.candidates;
  if (first === undefined) throw noCandidate(route.leftOut);

  const operation: NewOperation = {
    id: createSortableId('op', now),
    kind: 'start',
    sandboxId,
    options: {},
    route,
    createdAtMs: now,
    deadlineAtMs: now + view.settings.startDeadlineMs,
  };
  const recorded: StartRequest = { ...request, sources };
  const key = keyFor(idempotencyKey ?? operation.id, { kind: 'start', request });
  const result = await store.submission.start(operation, recorded, first, key);
  if (result.result !== 'written') return replay(deps, result, key);
  return addFirstJob(deps, operation.id, queues);
}

function sourcesOf(request: StartRequest, { settings }: DeploymentView): Sources {
  if (request.sources) return request.sources;
  const preset = settings.presets.find(({ name }) => name === request.preset);
  if (preset) return preset.sources;
  throw new LifecycleError({
    code: 'unknown_preset',
    message: `preset: there is no "${request.preset}"`,
    remediation: `Known presets: ${settings.presets.map(({ name }) => name).join(', ') || 'none'}.`,
    retryable: false,
  });
}

function noCandidate(leftOut: readonly { provider: ProviderName; reason: string }[]): LifecycleError {
  const reasons = leftOut.map(({ provider, reason }) => `${provider}: ${reason}`).join('; ');
  return new LifecycleError({
    code: 'no_provider_available',
    message: `no provider can take this sandbox (${reasons})`,
    retryable: false,
  });
}

async function submitChange(
  deps: SubmitterDeps,
  kind: ChangeKind,
  anyId: string,
  operationOptions: OperationOptions,
  { idempotencyKey }: SubmitOptions,
): Promise<Operation> {
  const { store, nowMs } = deps;
  for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts += 1) {
    const sandbox = await store.reading.sandboxByAnyId(anyId);
    if (sandbox === undefined) {
      throw new LifecycleError({
        code: 'not_found',
        message: `there is no sandbox ${anyId}`,
        retryable: false,
      });
    }
    const key =
      idempotencyKey === undefined ? undefined : keyFor(idempotencyKey, { kind, anyId, operationOptions });
    const pending = await store.reading.pendingOperations(sandbox.id);
    const admission = admit({ state: sandbox.state, pending, request: { kind, options: operationOptions } });
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
      options: operationOptions,
      route: { candidates: [], leftOut: [] },
      createdAtMs: now,
      deadlineAtMs: now + (kind === 'destroy' ? DESTROY_DEADLINE_MS : CHANGE_DEADLINE_MS),
    };
    const outcome = await writeChange(deps, { sandbox, pending, admission, operation, key });
    if (outcome) return outcome;
  }
  throw new LifecycleError({
    code: 'store_unavailable',
    message: `the record of ${anyId} kept changing`,
    retryable: true,
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
  const { store, queues } = deps;
  const { sandbox, pending, admission, operation, key } = write;
  const supersededIds = admission.verdict === 'already_done' ? [] : admission.supersede;
  const superseded = pending.filter(({ id }) => supersededIds.includes(id));

  if (admission.verdict === 'join') {
    const result = await store.submission.join(
      sandbox,
      admission.operationId,
      superseded,
      key,
      operation.createdAtMs,
    );
    if (result.result === 'replayed' && key) return replay(deps, result, key);
    return result.result === 'written' ? store.reading.operation(admission.operationId) : undefined;
  }
  const isFirst = superseded.length === pending.length;
  const provider = isFirst && !isEnded(sandbox.state) ? sandbox.placement?.provider : undefined;
  const result = await store.submission.enqueue(operation, sandbox, superseded, provider, key);
  if (result.result === 'conflict') return undefined;
  if (result.result === 'replayed' && key) return replay(deps, result, key);
  if (isFirst && provider === undefined) await advance(deps, operation.id);
  else if (isFirst) return addFirstJob(deps, operation.id, queues);
  return store.reading.operation(operation.id);
}

async function submitDiscard(deps: SubmitterDeps, guestId: string): Promise<Operation | undefined> {
  const { store, queues, nowMs } = deps;
  const guest = await store.reading.guest(guestId);
  if (guest?.state !== 'condemned') return undefined;
  const now = nowMs();
  const operation = {
    id: createSortableId('op', now),
    kind: 'discard' as const,
    sandboxId: guest.sandboxId,
    guestId,
    options: {},
    route: { candidates: [], leftOut: [] },
    createdAtMs: now,
    deadlineAtMs: now + DESTROY_DEADLINE_MS,
  };
  const { result } = await store.submission.discard(operation, guest.provider);
  return result === 'written' ? addFirstJob(deps, operation.id, queues) : undefined;
}

async function advance(deps: SubmitterDeps, operationId: string): Promise<void> {
  const { store, queues, nowMs } = deps;
  // Bounded by the line's length: each turn settles one operation, which brings the next to the head.
  let next: string | undefined = operationId;
  while (next !== undefined) {
    const operation: Operation | undefined = await store.reading.operation(next);
    if (operation?.state !== 'queued') return;
    const opened = operation.attempts.at(-1);
    if (opened) return queues.addAttempt(operation, opened.number, opened.provider, 0);

    const sandbox = await store.reading.sandbox(operation.sandboxId);
    if (sandbox === undefined) return;
    if (sandbox.placement && !isEnded(sandbox.state)) {
      const { provider } = sandbox.placement;
      if (await store.submission.openFirstAttempt(operation, provider, nowMs())) {
        await queues.addAttempt(operation, 1, provider, 0);
      }
      return;
    }
    const failure = operation.kind === 'destroy' ? undefined : endedFailure(sandbox);
    const settled = await store.submission.settleWithoutAttempt(operation, sandbox, failure, nowMs());
    if (settled === 'conflict') return;
    next = settled.next;
  }
}

function endedFailure(sandbox: Sandbox): OperationFailure {
  return {
    code: 'sandbox_ended',
    message: `the sandbox is ${sandbox.state}`,
    retryable: false,
    causes: [],
  };
}

async function addFirstJob(deps: SubmitterDeps, operationId: string, queues: Queues): Promise<Operation> {
  const operation = await deps.store.reading.operation(operationId);
  const attempt = operation?.attempts[0];
  if (!operation || !attempt) throw new Error(`operation ${operationId} vanished after it was written`);
  await queues.addAttempt(operation, attempt.number, attempt.provider, 0);
  return operation;
}

async function replay(
  deps: SubmitterDeps,
  result: SubmissionResult,
  key: IdempotencyKey,
): Promise<Operation> {
  if (result.result !== 'replayed') throw new Error('a new sandbox id or operation id was not new');
  if (result.bodyDigest !== key.bodyDigest) {
    throw new LifecycleError({
      code: 'idempotency_key_reused',
      message: 'idempotencyKey: it was used for another request',
      remediation: 'Use a new key for a new request.',
      retryable: false,
      operationId: result.operationId,
    });
  }
  const operation = await deps.store.reading.operation(result.operationId);
  if (operation) return operation;
  throw new LifecycleError({
    code: 'not_found',
    message: `operation ${result.operationId} is no longer kept`,
    retryable: false,
  });
}

function keyFor(key: string, body: unknown): IdempotencyKey {
  return { digest: sha256(key), bodyDigest: sha256(canonicalJson(body)) };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
