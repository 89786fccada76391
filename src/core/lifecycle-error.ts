import type { OperationErrorCode } from './operation.ts';

/** What callers can be told, beyond how an operation failed. Each is described in docs/errors.md. */
export type LifecycleErrorCode =
  | OperationErrorCode
  | 'invalid_request'
  | 'illegal_combination'
  | 'unknown_preset'
  | 'not_found'
  | 'wrong_state'
  | 'too_many_operations'
  | 'too_many_holds'
  | 'idempotency_key_reused'
  | 'store_unavailable'
  | 'store_full'
  // Only the HTTP API answers these.
  | 'unauthorized'
  | 'forbidden'
  | 'cross_site_request'
  | 'host_not_allowed'
  | 'method_not_allowed'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'too_many_requests'
  | 'too_many_streams'
  | 'internal_error'
  // Only the clients throw these.
  | 'wait_timed_out'
  | 'api_unreachable';

/** The HTTP status of each code; `null` for what only a client can know. */
export const HTTP_STATUS = {
  invalid_request: 400,
  unknown_preset: 400,
  unauthorized: 401,
  forbidden: 403,
  cross_site_request: 403,
  not_found: 404,
  method_not_allowed: 405,
  wrong_state: 409,
  idempotency_key_reused: 409,
  superseded: 409,
  sandbox_ended: 409,
  sandbox_lost: 409,
  sandbox_stuck: 409,
  memory_lost: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  host_not_allowed: 421,
  illegal_combination: 422,
  ram_snapshot_unsupported: 422,
  too_many_operations: 429,
  too_many_holds: 429,
  too_many_requests: 429,
  too_many_streams: 429,
  internal_error: 500,
  provider_failed: 502,
  no_provider_available: 503,
  no_capacity: 503,
  store_unavailable: 503,
  store_full: 503,
  deadline_exceeded: 504,
  wait_timed_out: null,
  api_unreachable: null,
} as const satisfies Record<LifecycleErrorCode, number | null>;

export interface LifecycleErrorFacts {
  readonly code: LifecycleErrorCode;
  readonly message: string;
  /** Whether the same request, with a new idempotency key, may succeed later. */
  readonly retryable: boolean;
  readonly operationId?: string;
  readonly sandboxId?: string;
  readonly remediation?: string;
  readonly cause?: unknown;
}

const MARK = Symbol.for('cmux-lifecycle.LifecycleError');

/** The one error class that callers meet; switch on `code`. */
export class LifecycleError extends Error {
  override readonly name = 'LifecycleError';
  readonly [MARK] = true;
  readonly code: LifecycleErrorCode;
  readonly retryable: boolean;
  readonly operationId: string | undefined;
  readonly sandboxId: string | undefined;
  readonly remediation: string | undefined;

  constructor(facts: LifecycleErrorFacts) {
    super(facts.message, { cause: facts.cause });
    this.code = facts.code;
    this.retryable = facts.retryable;
    this.operationId = facts.operationId;
    this.sandboxId = facts.sandboxId;
    this.remediation = facts.remediation;
  }
}

/** Works across copies of this module, as `instanceof` does not. */
export function isLifecycleError(value: unknown): value is LifecycleError {
  return typeof value === 'object' && value !== null && MARK in value;
}

/** Before Redis is full nothing new is taken in; once it is, nothing at all. */
export function storeFull(cause?: unknown): LifecycleError {
  return new LifecycleError({
    code: 'store_full',
    message: 'Redis has no room for new sandboxes',
    remediation: 'Give Redis more memory (maxmemory); see redis.memory in docs/runbook.md.',
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}
