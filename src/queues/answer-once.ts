/**
 * One answer per idempotency key. A key that is known is answered as it was the first time, refusals
 * included, before anything is decided anew: the world may have changed since.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../core/admission.ts';
import { isLifecycleError, LifecycleError, type LifecycleErrorCode } from '../core/lifecycle-error.ts';
import type { IdempotencyKey, KnownKey, Refusal } from '../store/idempotency.ts';
import type { Store } from '../store/store.ts';

export interface SubmitOptions {
  /** Two requests with one key are one; without a key every request is its own. */
  readonly idempotencyKey?: string;
  /** Keys of different scopes never meet: a team's token cannot learn what another team's key answered. */
  readonly idempotencyScope?: string;
  /** Refused as `not_found` when the sandbox belongs to another team. */
  readonly expectTeamId?: string;
  /** Who asks, for the receipts. */
  readonly requestedBy?: string;
}

/** Whoever submits without a name: a program with the deployment's Redis in its hands. */
export const UNNAMED = 'a producer';

export function keyFor(options: SubmitOptions, body: unknown): IdempotencyKey | undefined {
  const { idempotencyKey, idempotencyScope = '', expectTeamId = '' } = options;
  if (idempotencyKey === undefined) return undefined;
  return {
    digest: sha256(`${idempotencyScope}\n${idempotencyKey}`),
    bodyDigest: sha256(canonicalJson({ body, expectTeamId })),
  };
}

/** Decides at most once per key. `replay` turns a first answer that was no refusal into a result. */
export async function answerOnce<T>(
  store: Store,
  key: IdempotencyKey | undefined,
  decide: () => Promise<T>,
  replay: (known: KnownKey) => Promise<T>,
): Promise<T> {
  if (key === undefined) return decide();
  const known = await store.idempotency.recall(key);
  if (known) return replay(checked(known, key));
  try {
    return await decide();
  } catch (error) {
    if (!isLifecycleError(error) || error.code === 'store_unavailable') throw error;
    const first = await store.idempotency.rememberRefusal(key, refusalOf(error));
    if (first) return replay(checked(first, key));
    throw error;
  }
}

/** @throws the refusal that was the first answer, or `idempotency_key_reused` */
export function checked(known: KnownKey, key: IdempotencyKey): KnownKey {
  if (known.bodyDigest !== key.bodyDigest) {
    throw new LifecycleError({
      code: 'idempotency_key_reused',
      message: 'idempotencyKey: it was used for another request',
      remediation: 'Use a new key for a new request.',
      retryable: false,
      ...(known.answer === 'operation' ? { operationId: known.operationId } : {}),
    });
  }
  if (known.answer === 'refusal') {
    // Only refusals that were a LifecycleError get written.
    throw new LifecycleError({ ...known.refusal, code: known.refusal.code as LifecycleErrorCode });
  }
  return known;
}

function refusalOf({ code, message, retryable, sandboxId, remediation }: LifecycleError): Refusal {
  return {
    code,
    message,
    retryable,
    ...(sandboxId === undefined ? {} : { sandboxId }),
    ...(remediation === undefined ? {} : { remediation }),
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
