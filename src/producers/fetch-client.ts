/** `cmux-lifecycle/client`: the client whose transport is HTTP, for wherever there is `fetch`. */
import type { ActivityHold } from '../core/activity.ts';
import type { BudgetsView } from '../core/budget.ts';
import type {
  ChangeOptions,
  LifecycleClient,
  OperationList,
  SandboxList,
  WaitOptions,
} from '../core/client.ts';
import type { CostOptions, CostsView } from '../core/costs.ts';
import { isLifecycleError } from '../core/lifecycle-error.ts';
import { statesToShow } from '../core/listing.ts';
import { isSettled } from '../core/operation.ts';
import { operationError, waitTimedOut } from '../core/operation-error.ts';
import type { SavingsView } from '../core/savings.ts';
import type { StartInput } from '../core/start-request.ts';
import type { OperationView, ProviderView, SandboxView, TouchResult, WhyView } from '../core/views.ts';
import {
  type ApiRequest,
  createTransport,
  type FetchTransportOptions,
  type Send,
} from './fetch-transport.ts';
import { createTouchBatch } from './touch-batch.ts';

export type {
  ChangeOptions,
  LifecycleClient,
  ListOptions,
  OperationList,
  OperationListOptions,
  RequestOptions,
  SandboxList,
  WaitOptions,
} from '../core/client.ts';
export { isLifecycleError, LifecycleError, type LifecycleErrorCode } from '../core/lifecycle-error.ts';
export type { StartInput } from '../core/start-request.ts';
export type { OperationView, ProviderView, SandboxView, WhyView } from '../core/views.ts';

export type FetchClientOptions = FetchTransportOptions;
export type FetchClient = LifecycleClient<StartInput>;

const DEFAULT_WAIT_MS = 90_000;
/** One request waits at most this long: below what proxies and functions allow; the next one waits on. */
const WAIT_PER_REQUEST_MS = 45_000;

/**
 * Holds nothing open. Requests that may not have arrived are sent again with the same idempotency key, a few
 * times; then they throw `api_unreachable`.
 */
export function createFetchClient(options: FetchClientOptions): FetchClient {
  const send = createTransport(options);
  const get = async <T>(path: string, query?: ApiRequest['query']): Promise<T> =>
    (await send({ method: 'GET', path, ...(query && { query }) })).body as T;

  const post = async (
    sandboxId: string,
    what: string,
    body: unknown,
    change: ChangeOptions,
  ): Promise<SandboxView> => {
    const request = changeRequest('POST', pathOf(sandboxId, what), body, change);
    return (await send(request)).body as SandboxView;
  };

  const activity = async (sandboxId: string, body: unknown) =>
    (
      await send({
        method: 'POST',
        path: pathOf(sandboxId, 'activity'),
        body,
        idempotencyKey: crypto.randomUUID(),
      })
    ).body as { readonly hold?: ActivityHold };
  const batch = createTouchBatch(async (sandboxIds) => {
    const idempotencyKey = crypto.randomUUID();
    const sent = await send({ method: 'POST', path: '/v1/activity', body: { sandboxIds }, idempotencyKey });
    const { noted } = sent.body as TouchResult;
    return sandboxIds.map((id) => noted.includes(id));
  });
  const touch = async (ids: readonly string[]): Promise<TouchResult> => {
    const noted = await Promise.all(ids.map((id) => batch.touch(id)));
    return { noted: ids.filter((_id, at) => noted[at]), unknown: ids.filter((_id, at) => !noted[at]) };
  };

  return {
    start: (input, waiting = {}) =>
      untilDone<SandboxView>(send, changeRequest('POST', '/v1/sandboxes', input, waiting), waiting),

    pause: (sandboxId, { requiresRamSnapshot, ...waiting } = {}) =>
      untilDone<SandboxView>(
        send,
        changeRequest('POST', pathOf(sandboxId, 'pause'), { requiresRamSnapshot }, waiting),
        waiting,
      ),

    resume: (sandboxId, { onLostMemory, ...waiting } = {}) =>
      untilDone<SandboxView & { readonly memoryKept: boolean }>(
        send,
        changeRequest('POST', pathOf(sandboxId, 'resume'), { onLostMemory }, waiting),
        waiting,
      ),

    destroy: (sandboxId, waiting = {}) =>
      untilDone<SandboxView>(send, changeRequest('DELETE', pathOf(sandboxId), undefined, waiting), waiting),

    setTtl: (sandboxId, ttlSeconds, { onExpiry, ...change } = {}) =>
      post(sandboxId, 'ttl', { ttlSeconds, onExpiry }, change),
    setProtection: (sandboxId, isProtected, change = {}) =>
      post(sandboxId, 'protection', { protected: isProtected }, change),

    touch: (ids) => touch(typeof ids === 'string' ? [ids] : ids),
    hold: async (sandboxId, hold) =>
      (await activity(sandboxId, { action: 'hold', ...hold })).hold as ActivityHold,
    release: async (sandboxId, owner) => {
      await activity(sandboxId, { action: 'release', owner });
    },

    get: (sandboxId, { refresh = false } = {}) =>
      get<SandboxView>(pathOf(sandboxId), refresh ? { refresh: 'true' } : {}),
    why: (sandboxId) => get<WhyView>(pathOf(sandboxId, 'why')),

    list: ({ state, ended, metadata = {}, ...filter } = {}) =>
      get<SandboxList>('/v1/sandboxes', {
        ...filter,
        state: statesToShow(state, ended).join(','),
        ...Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`metadata[${key}]`, value])),
      }),

    operation: (operationId, waiting) => waitForOperation(send, operationId, { timeoutMs: 0, ...waiting }),
    operations: ({ state, ...page } = {}) =>
      get<OperationList>('/v1/operations', {
        ...page,
        state: typeof state === 'string' ? state : state?.join(','),
      }),
    providers: async () =>
      (await get<{ readonly providers: readonly ProviderView[] }>('/v1/providers')).providers,
    ...moneyCalls(get),
    close: () => Promise.resolve(),
  };
}

type Get = <T>(path: string, query?: ApiRequest['query']) => Promise<T>;

function moneyCalls(get: Get): Pick<FetchClient, 'costs' | 'savings' | 'budgets'> {
  return {
    costs: (options = {}) => get<CostsView>('/v1/costs', costsParameters(options)),
    savings: (options = {}) => get<SavingsView>('/v1/costs/savings', costsParameters(options)),
    budgets: () => get<BudgetsView>('/v1/budgets'),
  };
}

function costsParameters({ fromMs, toMs, groupBy, limit }: CostOptions): NonNullable<ApiRequest['query']> {
  return {
    from: fromMs === undefined ? undefined : new Date(fromMs).toISOString(),
    to: toMs === undefined ? undefined : new Date(toMs).toISOString(),
    groupBy: typeof groupBy === 'string' ? groupBy : groupBy?.join(','),
    limit,
  };
}

function pathOf(sandboxId: string, what?: string): string {
  const path = `/v1/sandboxes/${encodeURIComponent(sandboxId)}`;
  return what === undefined ? path : `${path}/${what}`;
}

function changeRequest(
  method: 'POST' | 'DELETE',
  path: string,
  body: unknown,
  { idempotencyKey, expectTeamId, signal }: ChangeOptions,
): ApiRequest {
  return {
    method,
    path,
    query: { expectTeamId },
    body,
    // A key of our own making lets a request that may not have arrived be sent again.
    idempotencyKey: idempotencyKey ?? crypto.randomUUID(),
    signal,
  };
}

/** Sends a change and waits for its operation: the first part within the same request, the rest by asking. */
async function untilDone<T extends SandboxView>(
  send: Send,
  request: ApiRequest,
  { timeoutMs = DEFAULT_WAIT_MS, signal }: WaitOptions,
): Promise<T> {
  const untilMs = now() + timeoutMs;
  const waitMs = Math.min(timeoutMs, WAIT_PER_REQUEST_MS);
  const query = { ...request.query, wait: Math.round(waitMs) / 1_000 };
  const answer = await send({ ...request, query, waitMs });
  if (answer.status !== 202) return answer.body as T;

  const accepted = answer.body as OperationView;
  const left = { timeoutMs: Math.max(0, untilMs - now()), signal };
  const operation = await stillWaiting(accepted, () => waitForOperation(send, accepted.id, left));
  if (!isSettled(operation.state)) throw waitTimedOut(operation);
  if (operation.state !== 'succeeded') throw operationError(operation);
  const path = pathOf(operation.sandboxId);
  const sandbox = (await send({ method: 'GET', path, signal })).body as SandboxView;
  const memoryKept = operation.kind === 'resume' ? { memoryKept: operation.memoryKept ?? false } : {};
  return { ...sandbox, ...memoryKept } as T;
}

/** The operation was accepted; that its server is away meanwhile changes only how long it takes to hear. */
async function stillWaiting(
  accepted: OperationView,
  ask: () => Promise<OperationView>,
): Promise<OperationView> {
  try {
    return await ask();
  } catch (error) {
    const away = isLifecycleError(error) && ['api_unreachable', 'store_unavailable'].includes(error.code);
    throw away ? waitTimedOut(accepted) : error;
  }
}

/** As it is now, or once it settled or the time is over. */
async function waitForOperation(
  send: Send,
  operationId: string,
  { timeoutMs = 0, signal }: { readonly timeoutMs?: number; readonly signal?: AbortSignal | undefined },
): Promise<OperationView> {
  const untilMs = now() + timeoutMs;
  for (;;) {
    const waitMs = Math.max(0, Math.min(untilMs - now(), WAIT_PER_REQUEST_MS));
    const path = `/v1/operations/${encodeURIComponent(operationId)}`;
    const answer = await send({
      method: 'GET',
      path,
      query: { wait: Math.round(waitMs) / 1_000 },
      waitMs,
      signal,
    });
    const operation = answer.body as OperationView;
    if (isSettled(operation.state) || now() >= untilMs) return operation;
  }
}

function now(): number {
  return Date.now();
}
