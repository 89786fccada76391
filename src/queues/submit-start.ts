import { affordable, type Room, roomFor } from '../core/budget-room.ts';
import type { GuestSize } from '../core/guest.ts';
import { LifecycleError, storeFull } from '../core/lifecycle-error.ts';
import type { Operation, Route } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import { planRoute } from '../core/route.ts';
import { contradictionIn, type Sources, type StartRequest } from '../core/start-request.ts';
import { createSortableId } from '../platform/ids.ts';
import type { DeploymentView } from '../store/deployment.ts';
import type { IdempotencyKey } from '../store/idempotency.ts';
import type { NewOperation } from '../store/submission.ts';
import { queuedOperation, withFirstJob } from './advance.ts';
import { answerOnce, checked, keyFor, type SubmitOptions, UNNAMED } from './answer-once.ts';
import { replayedOperation } from './replayed-operation.ts';
import type { SubmitterDeps } from './submitter-deps.ts';

/** Each loss is a start of somebody else's that took the room; room that comes back in between is rare. */
const MAX_LOST_ROOMS = 20;

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
    () => startWithinBudgets(deps, request, options, key),
    (known) => replayedOperation(deps.store, known),
  );
}

/** Whoever comes too late for a budget's last room decides again, and finds it gone. */
async function startWithinBudgets(...args: Parameters<typeof decideStart>): Promise<Operation> {
  for (let lost = 0; lost < MAX_LOST_ROOMS; lost += 1) {
    const operation = await decideStart(...args);
    if (operation !== 'no_room') return operation;
  }
  throw new Error('the budgets kept changing while a start was submitted');
}

async function decideStart(
  deps: SubmitterDeps,
  request: StartRequest,
  { requestedBy = UNNAMED }: SubmitOptions,
  key: IdempotencyKey | undefined,
): Promise<Operation | 'no_room'> {
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
  const planned = planRoute({
    request,
    sources,
    sandboxId,
    policy: view.settings.routing,
    statuses: view.statuses,
    nowMs: now,
  });
  const { route, room } = withinRoom(planned, request, view, now);
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
    ...(room ? { room } : {}),
  };
  const recorded: StartRequest = { ...request, sources, ...(size ? { size } : {}) };
  const writing = store.submission.start(operation, recorded, first, key);
  const result = await withFirstJob(deps, writing, operation, first);
  if (result.result === 'written') return queuedOperation(operation, first);
  if (result.result === 'no_room') return 'no_room';
  if (result.result === 'replayed' && key) return replayedOperation(store, checked(result.known, key));
  throw new Error('a new sandbox id or operation id was not new');
}

/** The route without what no budget has room for, and what its first attempt is to reserve. */
function withinRoom(
  planned: Route,
  { preset, teamId }: StartRequest,
  { spending }: DeploymentView,
  nowMs: number,
): { readonly route: Route; readonly room?: Room | undefined } {
  const start = { preset, teamId };
  const { candidates, leftOut } = affordable(planned.candidates, start, spending, nowMs);
  const [first] = candidates;
  const room = first && roomFor(first, planned.candidates, start, spending, nowMs);
  if (leftOut.length === 0) return { route: planned, room };
  const { passedOver = planned.candidates[0], ...rest } = planned;
  const route = { ...rest, candidates, leftOut: [...planned.leftOut, ...leftOut] };
  return { route: passedOver && passedOver !== first ? { ...route, passedOver } : route, room };
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
