/**
 * What a caller's idempotency key was answered with. Written in the transaction of the answer: with the
 * operation, with the adjustment, or as the refusal; kept for seven days; never overwritten.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type Keys, RETENTION_MS } from './keys.ts';
import type { BeginTransaction, Transaction } from './transaction.ts';

export interface IdempotencyKey {
  /** Digest of the caller's scope and key. */
  readonly digest: string;
  /** Digest of what was asked; the same key with another body is refused. */
  readonly bodyDigest: string;
}

export type FirstAnswer =
  | { readonly answer: 'operation'; readonly operationId: string }
  | { readonly answer: 'sandbox'; readonly sandboxId: string }
  | { readonly answer: 'refusal'; readonly refusal: Refusal };

/** Why nothing came of a request, with all that the caller was told. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly sandboxId?: string;
  readonly remediation?: string;
}

export type KnownKey = FirstAnswer & { readonly bodyDigest: string };

export interface IdempotencyStore {
  recall(key: IdempotencyKey): Promise<KnownKey | undefined>;
  /** Remembers a refusal; returns what the key was answered with first, if somebody was faster. */
  rememberRefusal(key: IdempotencyKey, refusal: Refusal): Promise<KnownKey | undefined>;
}

const bodyDigest = z.string();
const knownKeySchema = z.discriminatedUnion('answer', [
  z.object({ answer: z.literal('operation'), operationId: z.string(), bodyDigest }),
  z.object({ answer: z.literal('sandbox'), sandboxId: z.string(), bodyDigest }),
  z.object({
    answer: z.literal('refusal'),
    refusal: z.object({
      code: z.string(),
      message: z.string(),
      retryable: z.boolean(),
      sandboxId: z.string().exactOptional(),
      remediation: z.string().exactOptional(),
    }),
    bodyDigest,
  }),
]);

export function createIdempotencyStore(redis: Redis, begin: BeginTransaction, keys: Keys): IdempotencyStore {
  return {
    async recall({ digest }) {
      const text = await redis.get(keys.idempotency(digest));
      return text === null ? undefined : parseKnownKey(text);
    },
    async rememberRefusal(key, refusal) {
      const result = await beginWithKey(begin, keys, key, { answer: 'refusal', refusal }).commit();
      return result.ok ? undefined : parseKnownKey(result.actual);
    },
  };
}

/** A transaction that is refused, by its guard 0, when the key is known; and makes it known. */
export function beginWithKey(
  begin: BeginTransaction,
  keys: Keys,
  idempotency: IdempotencyKey | undefined,
  answer: FirstAnswer,
): Transaction {
  const transaction = begin();
  if (idempotency === undefined) return transaction;
  const known: KnownKey = { ...answer, bodyDigest: idempotency.bodyDigest };
  const key = keys.idempotency(idempotency.digest);
  return transaction.guardAbsent(key).command('SET', key, JSON.stringify(known), 'PX', RETENTION_MS);
}

export function parseKnownKey(text: string): KnownKey {
  return knownKeySchema.parse(JSON.parse(text));
}
