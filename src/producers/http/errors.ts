/** The one place where the API's errors become answers. */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { HTTP_STATUS, isLifecycleError, LifecycleError } from '../../core/lifecycle-error.ts';
import type { OperationFailure } from '../../core/operation.ts';
import type { Logger } from '../../platform/log.ts';
import { isRedisTrouble } from '../../platform/redis-trouble.ts';

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  /** Whether the same request, with a new idempotency key, may succeed later. */
  readonly retryable: boolean;
  readonly operationId?: string;
  readonly sandboxId?: string;
  /** How the operation failed, with the failure of each provider tried. */
  readonly cause?: OperationFailure;
  readonly remediation?: string;
}

/** When a caller may come back, in seconds: lines and Redis recover within seconds. */
const RETRY_AFTER_S: Partial<Record<LifecycleError['code'], number>> = {
  too_many_operations: 5,
  too_many_streams: 30,
  store_unavailable: 2,
  store_full: 30,
};

/** Nobody listens any more; nginx's number for it, seen only in our own logs. */
const CLIENT_GONE = 499;

export function answerError(context: Context, error: unknown, log: Logger): Response {
  if (context.req.raw.signal.aborted) return new Response(null, { status: CLIENT_GONE });
  const known = asLifecycleError(error);
  if (known === undefined) log.error({ err: error, path: context.req.path }, 'a request crashed');
  const told = known ?? crashed();
  const { code, message, retryable, operationId, sandboxId, remediation, cause } = told;
  const retryAfterS = RETRY_AFTER_S[code];
  if (retryAfterS !== undefined) context.header('Retry-After', String(retryAfterS));
  context.header('Cache-Control', 'no-store');
  // The rest of the body is not read, so that nothing else can come over this connection.
  if (code === 'body_too_large') context.header('Connection', 'close');
  const body: ErrorBody = {
    code,
    message,
    retryable,
    ...(operationId === undefined ? {} : { operationId }),
    ...(sandboxId === undefined ? {} : { sandboxId }),
    ...(remediation === undefined ? {} : { remediation }),
    ...(isOperationFailure(cause) ? { cause } : {}),
  };
  return context.json(body, (HTTP_STATUS[code] ?? 500) as ContentfulStatusCode);
}

function asLifecycleError(error: unknown): LifecycleError | undefined {
  if (isLifecycleError(error)) return error;
  if (!isRedisTrouble(error)) return undefined;
  return new LifecycleError({
    code: 'store_unavailable',
    message: 'Redis cannot be reached',
    retryable: true,
    cause: error,
  });
}

function crashed(): LifecycleError {
  return new LifecycleError({
    code: 'internal_error',
    message: 'something went wrong here; the log of this server says what',
    retryable: true,
  });
}

/** Only what was written for callers is passed on: never another error, which may say anything. */
function isOperationFailure(cause: unknown): cause is OperationFailure {
  return typeof cause === 'object' && cause !== null && 'causes' in cause && !(cause instanceof Error);
}
