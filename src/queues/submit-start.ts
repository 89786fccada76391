import type { GuestSize } from '../core/guest.ts';
import { LifecycleError, storeFull } from '../core/lifecycle-error.ts';
import type { Operation } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import { planRoute } from '../core/route.ts';
import { contradictionIn, type Sources, type StartRequest } from '../core/start-request.ts';
import { createSortableId } from '../platform/ids.ts';
import type { DeploymentView } from '../store/deployment.ts';
import type { IdempotencyKey } from '../store/idempotency.ts';
import type { NewOperation } from '../store/submission.ts';
import { addFirstJob } from './advance.ts';
import { answerOnce, checked, keyFor, type SubmitOptions, UNNAMED } from './answer-once.ts';
import { replayedOperation } from './replayed-operation.ts';
import type { SubmitterDeps } from './submitter-deps.ts';

export async function submitStart(
  deps: SubmitterDeps,
  request: StartRequest,
  options: SubmitOptions,
): Promise<Operation> {
  // Not an answer to keep under the key: keeping it needs room too.
  if (await deps.store.memory.isFull()) throw storeFull();
  const key = keyFor(options, { kind: 'start', request });
  return answerOnce(
    deps.store,
    key,
    () => decideStart(deps, request, options, key),
    (known) => replayedOperation(deps.store, known),
  );
}

async function decideStart(
  deps: SubmitterDeps,
  request: StartRequest,
  { requestedBy = UNNAMED }: SubmitOptions,
  key: IdempotencyKey | undefined,
): Promise<Operation> {
  const contradiction = contradictionIn(request);
  if (contradiction !== undefined) {
    throw new LifecycleError({ code: 'illegal_combination', message: contradiction, retryable: false });
  }
  const { store, nowMs } = deps;
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
  const { sources, size } = resolvePreset(request, view);
  const route = planRoute({
    request,
    sources,
    sandboxId,
    policy: view.settings.routing,
    statuses: view.statuses,
    nowMs: now,
  });
  const [first] = route.candidates;
  if (first === undefined) throw noCandidate(route.leftOut);

  const operation: NewOperation = {
    id: createSortableId('op', now),
    kind: 'start',
    sandboxId,
    options: {},
    route,
    requestedBy,
    createdAtMs: now,
    deadlineAtMs: now + view.settings.startDeadlineMs,
  };
  const recorded: StartRequest = { ...request, sources, ...(size ? { size } : {}) };
  const result = await store.submission.start(operation, recorded, first, key);
  if (result.result === 'written') return addFirstJob(deps, operation, first);
  if (result.result === 'replayed' && key) return replayedOperation(store, checked(result.known, key));
  throw new Error('a new sandbox id or operation id was not new');
}

/** What to start from, and how large it is to be; explicit sources keep the size they have. */
function resolvePreset(
  request: StartRequest,
  { settings }: DeploymentView,
): { readonly sources: Sources; readonly size?: GuestSize } {
  if (request.sources) return { sources: request.sources };
  const preset = settings.presets.find(({ name }) => name === request.preset);
  if (preset) {
    const { sources, vcpus, memoryMib, diskGib } = preset;
    return { sources, size: { vcpus, memoryMib, diskGib } };
  }
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
