/** `cmux-lifecycle/producer`: the client whose transport is Redis itself. */
import type { LifecycleClient, RequestOptions } from '../core/client.ts';
import { statesToShow } from '../core/listing.ts';
import { OPERATION_STATES, type Operation } from '../core/operation.ts';
import { operationError, waitTimedOut } from '../core/operation-error.ts';
import type { StartInput } from '../core/start-request.ts';
import { type SandboxView, viewOperation, viewSandbox } from '../core/views.ts';
import { connectRedis } from '../platform/redis.ts';
import { createQueues } from '../queues/queues.ts';
import { createSubmitter, type Submitter } from '../queues/submit-operation.ts';
import type { Settled } from '../store/settlements.ts';
import { createStore, type Store } from '../store/store.ts';
import { type ChangeRequest, createLifecycleService } from './lifecycle-service.ts';
import {
  holdSchema,
  operationListSchema,
  parse,
  pauseSchema,
  protectionSchema,
  requestOptionsSchema,
  resumeSchema,
  sandboxListSchema,
  startRequestSchema,
  ttlSchema,
} from './requests.ts';

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

export type RedisProducer = LifecycleClient<StartInput>;

export interface RedisProducerOptions {
  readonly redisUrl: string;
  /** The same name as the workers' `DEPLOYMENT`. */
  readonly deployment: string;
  /** Who asks, for the receipts. */
  readonly name?: string;
}

const DEFAULT_WAIT_MS = 90_000;
const DEFAULT_NAME = 'a Redis producer';

/**
 * Fails fast: while Redis is away every method rejects with `store_unavailable`, but a wait for an operation
 * that was accepted goes on. Close it when done, or the process stays alive.
 */
export async function createRedisProducer(options: RedisProducerOptions): Promise<RedisProducer> {
  const redis = await connectRedis(options.redisUrl, { role: 'producer' });
  const store = createStore(redis, options.deployment);
  const queues = createQueues(redis, store.keys);
  const submitter = createSubmitter({ store, queues, nowMs: Date.now });
  return {
    ...createProducer(store, submitter, options.name),
    async close() {
      await queues.close();
      await store.close();
      redis.disconnect();
    },
  };
}

/** The producer on parts that somebody else owns and closes. */
export function createProducer(
  store: Store,
  submitter: Submitter,
  name = DEFAULT_NAME,
  nowMs: () => number = Date.now,
): RedisProducer {
  const service = createLifecycleService({ store, submitter, nowMs });
  const caller = { name };

  function requestOf({ idempotencyKey, expectTeamId }: Partial<ChangeRequest>): ChangeRequest {
    return { caller, ...parse(requestOptionsSchema, { idempotencyKey, expectTeamId }) };
  }

  async function finish(operation: Operation, options: RequestOptions): Promise<Settled> {
    const { timeoutMs = DEFAULT_WAIT_MS, signal } = options;
    const settled = await service.untilSettled(operation, { timeoutMs, signal });
    if (settled === undefined) throw waitTimedOut(operation);
    if (settled.operation.state !== 'succeeded') throw operationError(settled.operation);
    return settled;
  }

  const viewOf = async ({ operation, sandbox }: Settled): Promise<SandboxView> =>
    viewSandbox(sandbox ?? (await service.sandbox(operation.sandboxId, caller)));

  return {
    async start(input, options = {}) {
      const operation = await service.start(parse(startRequestSchema, input), requestOf(options));
      return viewOf(await finish(operation, options));
    },

    async pause(sandboxId, { requiresRamSnapshot, ...options } = {}) {
      const pause = parse(pauseSchema, { requiresRamSnapshot });
      return viewOf(await finish(await service.pause(sandboxId, pause, requestOf(options)), options));
    },

    async resume(sandboxId, { onLostMemory, ...options } = {}) {
      const resume = parse(resumeSchema, { onLostMemory });
      const operation = await service.resume(sandboxId, resume, requestOf(options));
      const settled = await finish(operation, options);
      return { ...(await viewOf(settled)), memoryKept: settled.operation.memoryKept ?? false };
    },

    async destroy(sandboxId, options = {}) {
      return viewOf(await finish(await service.destroy(sandboxId, requestOf(options)), options));
    },

    async setTtl(sandboxId, ttlSeconds, { onExpiry, ...options } = {}) {
      const ttl = parse(ttlSchema, { ttlSeconds, ...(onExpiry === undefined ? {} : { onExpiry }) });
      return viewSandbox(await service.adjust(sandboxId, ttl, requestOf(options)));
    },

    async setProtection(sandboxId, isProtected, options = {}) {
      const protection = parse(protectionSchema, { protected: isProtected });
      return viewSandbox(await service.adjust(sandboxId, protection, requestOf(options)));
    },

    touch: (ids) => service.activity.touch(typeof ids === 'string' ? [ids] : ids, caller),
    hold: async (sandboxId, hold) => service.activity.hold(sandboxId, parse(holdSchema, hold), caller),
    release: (sandboxId, owner) => service.activity.release(sandboxId, owner, caller),

    get: async (sandboxId, { refresh = false } = {}) =>
      viewSandbox(
        refresh ? await service.refreshed(sandboxId, caller) : await service.sandbox(sandboxId, caller),
      ),

    async list({ state, ended, ...filter } = {}) {
      const request = parse(sandboxListSchema, { ...filter, states: statesToShow(state, ended) });
      const { items, cursor } = await service.list(request, caller);
      return { sandboxes: items.map(viewSandbox), ...(cursor === undefined ? {} : { cursor }) };
    },

    why: (sandboxId) => service.why(sandboxId, caller),

    async operation(operationId, { timeoutMs = 0, signal } = {}) {
      const operation = await service.operation(operationId, caller);
      if (timeoutMs === 0) return viewOperation(operation);
      const settled = await service.untilSettled({ id: operationId }, { timeoutMs, signal });
      return viewOperation(settled?.operation ?? (await service.operation(operationId, caller)));
    },

    async operations({ state, ...page } = {}) {
      const states = typeof state === 'string' ? [state] : (state ?? OPERATION_STATES);
      const { items, cursor } = await service.operations(
        parse(operationListSchema, { ...page, states }),
        caller,
      );
      return { operations: items.map(viewOperation), ...(cursor === undefined ? {} : { cursor }) };
    },

    providers: () => service.providers(),
    costs: (options = {}) => service.costs(options, caller),
    savings: (options = {}) => service.savings(options, caller),
    budgets: () => service.budgets(caller),
    close: () => Promise.resolve(),
  };
}
