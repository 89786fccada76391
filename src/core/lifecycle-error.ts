import type { OperationErrorCode } from './operation.ts';

/** What callers of the producer and the API can be told, beyond how an operation failed. */
export type LifecycleErrorCode =
  | OperationErrorCode
  | 'invalid_request'
  | 'unknown_preset'
  | 'not_found'
  | 'wrong_state'
  | 'too_many_operations'
  | 'idempotency_key_reused'
  | 'wait_timed_out'
  | 'store_unavailable';

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
