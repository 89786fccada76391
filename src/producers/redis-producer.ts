/** `cmux-lifecycle/producer`: the client whose transport is Redis itself. */
import { randomUUID } from 'node:crypto';
import type { LifecycleClient, RequestOptions } from '../core/client.ts';
import { isLifecycleError, LifecycleError } from '../core/lifecycle-error.ts';
import type { Operation } from '../core/operation.ts';
import { type SandboxView, viewOperation, viewSandbox } from '../core/views.ts';
import { connectRedis } from '../platform/redis.ts';
import { createQueues } from '../queues/queues.ts';
import { createSubmitter, type Submitter } from '../queues/submit-operation.ts';
import { createStore, type Store } from '../store/store.ts';
import { parsePause, parseResume, parseStart, type StartInput } from './requests.ts';

export type {
  LifecycleClient,
  ListOptions,
  RequestOptions,
  SandboxList,
  WaitOptions,
} from '../core/client.ts';
export { isLifecycleError, LifecycleError, type LifecycleErrorCode } from '../core/lifecycle-error.ts';
export type { OperationView, SandboxView } from '../core/views.ts';
export type { StartInput } from './requests.ts';

export type RedisProducer = LifecycleClient<StartInput>;

export interface RedisProducerOptions {
  readonly redisUrl: string;
  /** The same name as the workers' `DEPLOYMENT`. */
  readonly deployment: string;
}

const DEFAULT_WAIT_MS = 90_000;

/**
 * Fails fast: while Redis is away every method rejects with `store_unavailable`. Close it when done, or the
 * process stays alive.
 */
export async function createRedisProducer({
  redisUrl,
  deployment,
}: RedisProducerOptions): Promise<RedisProducer> {
  const redis = await connectRedis(redisUrl, { role: 'producer' });
  const store = createStore(redis, deployment);
  const queues = createQueues(redis, store.keys);
  const submitter = createSubmitter({ store, queues, nowMs: Date.now });
  const producer = createProducer(store, submitter);
  return {
    ...producer,
    async close() {
      await queues.close();
      await store.close();
      redis.disconnect();
    },
  };
}

/** The producer on parts that somebody else owns and closes. */
export function createProducer(store: Store, submitter: Submitter): RedisProducer {
  async function finish(operation: Operation, options: RequestOptions): Promise<Operation> {
    const settled = await store.settlements.wait(operation.id, {
      timeoutMs: options.timeoutMs ?? DEFAULT_WAIT_MS,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    if (settled === undefined) throw timedOut(operation);
    if (settled.state !== 'succeeded') throw operationError(settled);
    return settled;
  }

  async function sandboxOf(operation: Operation): Promise<SandboxView> {
    const sandbox = await store.reading.sandbox(operation.sandboxId);
    if (sandbox === undefined) throw notFound('sandbox', operation.sandboxId);
    return viewSandbox(sandbox);
  }

  const submitOptions = ({ idempotencyKey }: RequestOptions) => ({
    idempotencyKey: idempotencyKey ?? randomUUID(),
  });

  return {
    start: (input, options = {}) =>
      reported(async () => {
        const request = parseStart(input);
        return sandboxOf(await finish(await submitter.start(request, submitOptions(options)), options));
      }),

    pause: (sandboxId, { requiresRamSnapshot, ...options } = {}) =>
      reported(async () => {
        const pause = parsePause(requiresRamSnapshot === undefined ? {} : { requiresRamSnapshot });
        const operation = await submitter.change('pause', sandboxId, pause, submitOptions(options));
        return sandboxOf(await finish(operation, options));
      }),

    resume: (sandboxId, { onLostMemory, ...options } = {}) =>
      reported(async () => {
        const resume = parseResume(onLostMemory === undefined ? {} : { onLostMemory });
        const operation = await submitter.change('resume', sandboxId, resume, submitOptions(options));
        const settled = await finish(operation, options);
        return { ...(await sandboxOf(settled)), memoryKept: settled.memoryKept ?? false };
      }),

    destroy: (sandboxId, options = {}) =>
      reported(async () => {
        const operation = await submitter.change('destroy', sandboxId, {}, submitOptions(options));
        return sandboxOf(await finish(operation, options));
      }),

    get: (sandboxId) =>
      reported(async () => {
        const sandbox = await store.reading.sandboxByAnyId(sandboxId);
        if (sandbox === undefined) throw notFound('sandbox', sandboxId);
        return viewSandbox(sandbox);
      }),

    list: (options = {}) =>
      reported(async () => {
        const { sandboxes, cursor } = await store.reading.listSandboxes(options);
        return { sandboxes: sandboxes.map(viewSandbox), ...(cursor === undefined ? {} : { cursor }) };
      }),

    operation: (operationId) =>
      reported(async () => {
        const operation = await store.reading.operation(operationId);
        if (operation === undefined) throw notFound('operation', operationId);
        return viewOperation(operation);
      }),

    close: () => Promise.resolve(),
  };
}

/** The boundary: callers meet `LifecycleError`s, their own abort reasons, and nothing else. */
async function reported<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (isLifecycleError(error) || !isConnectionTrouble(error)) throw error;
    throw new LifecycleError({
      code: 'store_unavailable',
      message: 'Redis cannot be reached',
      remediation: 'Check REDIS_URL and that the server is up, then try again with the same idempotency key.',
      retryable: true,
      cause: error,
    });
  }
}

/** ioredis' ways of saying that there is no connection. */
function isConnectionTrouble(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const text = `${error.name} ${error.message}`;
  return /MaxRetriesPerRequest|Connection is closed|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|Stream isn't writeable|LOADING|Command timed out/.test(
    text,
  );
}

function timedOut({ id, kind, sandboxId }: Operation): LifecycleError {
  return new LifecycleError({
    code: 'wait_timed_out',
    message: `${kind} of ${sandboxId} goes on; it has not settled within the time given`,
    remediation: `Ask for operation ${id}, or call again with the same idempotency key to wait on.`,
    retryable: true,
    operationId: id,
    sandboxId,
  });
}

function operationError({ id, sandboxId, state, failure }: Operation): LifecycleError {
  return new LifecycleError({
    code: failure?.code ?? 'superseded',
    message: failure?.message ?? `the operation was ${state} by a later one`,
    retryable: failure?.retryable ?? false,
    ...(failure?.remediation === undefined ? {} : { remediation: failure.remediation }),
    operationId: id,
    sandboxId,
    ...(failure ? { cause: failure } : {}),
  });
}

function notFound(what: string, id: string): LifecycleError {
  return new LifecycleError({
    code: 'not_found',
    message: `there is no ${what} ${id}`,
    retryable: false,
  });
}
