import { LifecycleError } from './lifecycle-error.ts';
import type { OperationView } from './views.ts';

type Settled = Pick<OperationView, 'id' | 'sandboxId' | 'state' | 'failure'>;

/** What a caller is told of an operation that settled without success. */
export function operationError({ id, sandboxId, state, failure }: Settled): LifecycleError {
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

/** What a caller is told whose time is over before the operation settled. */
export function waitTimedOut({
  id,
  kind,
  sandboxId,
}: Pick<OperationView, 'id' | 'kind' | 'sandboxId'>): LifecycleError {
  return new LifecycleError({
    code: 'wait_timed_out',
    message: `${kind} of ${sandboxId} goes on; it has not settled within the time given`,
    remediation: `Ask for operation ${id}, or call again with the same idempotency key to wait on.`,
    retryable: true,
    operationId: id,
    sandboxId,
  });
}
