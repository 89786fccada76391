import { LifecycleError } from '../core/lifecycle-error.ts';
import type { Operation } from '../core/operation.ts';
import type { KnownKey } from '../store/idempotency.ts';
import type { Store } from '../store/store.ts';

/** The operation that a key was answered with. An operation outlives the keys that mean it. */
export async function replayedOperation(store: Store, known: KnownKey): Promise<Operation> {
  const operation =
    known.answer === 'operation' ? await store.reading.operation(known.operationId) : undefined;
  if (operation) return operation;
  throw new LifecycleError({
    code: 'not_found',
    message: 'the operation of this idempotency key is no longer kept',
    retryable: false,
  });
}
