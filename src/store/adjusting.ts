/** Changes of a sandbox that need no provider: its time to live and its protection. */
import type { Sandbox } from '../core/sandbox.ts';
import { noteActivity } from './activity-writes.ts';
import { emit } from './events.ts';
import { beginWithKey, type IdempotencyKey, type KnownKey, parseKnownKey } from './idempotency.ts';
import type { Keys } from './keys.ts';
import type { BeginTransaction } from './transaction.ts';

export interface Adjustment {
  /** `null` takes the time to live away; it counts from now. */
  readonly ttlSeconds?: number | null;
  readonly onExpiry?: 'pause' | 'destroy';
  readonly protected?: boolean;
}

export type AdjustmentResult =
  | { readonly result: 'written' }
  | { readonly result: 'replayed'; readonly known: KnownKey }
  /** The record changed since it was read. */
  | { readonly result: 'conflict' };

export interface Adjusting {
  adjust(
    sandbox: Sandbox,
    adjustment: Adjustment,
    context: {
      readonly by: string;
      readonly nowMs: number;
      readonly idempotency: IdempotencyKey | undefined;
    },
  ): Promise<AdjustmentResult>;
}

export function createAdjusting(begin: BeginTransaction, keys: Keys): Adjusting {
  return {
    async adjust(sandbox, adjustment, { by, nowMs, idempotency }) {
      const key = keys.sandbox(sandbox.id);
      const answer = { answer: 'sandbox', sandboxId: sandbox.id } as const;
      const { ttlSeconds, ...rest } = adjustment;
      const { ttlSeconds: ttlBefore, ...request } = sandbox.request;
      const ttl = ttlSeconds === undefined ? ttlBefore : (ttlSeconds ?? undefined);
      const transaction = beginWithKey(begin, keys, idempotency, answer)
        .guardField(key, 'version', sandbox.version)
        .command('HINCRBY', key, 'version', 1)
        .setFields(key, {
          request: JSON.stringify({ ...request, ...rest, ...(ttl === undefined ? {} : { ttlSeconds: ttl }) }),
          updatedAtMs: nowMs,
          ttlFromMs: ttlSeconds === undefined ? undefined : ttlSeconds === null ? null : nowMs,
        });
      if (ttlSeconds === null) transaction.command('ZREM', keys.expiryDue, sandbox.id);
      else if (ttlSeconds !== undefined) {
        transaction.command('ZADD', keys.expiryDue, nowMs + ttlSeconds * 1_000, sandbox.id);
      }
      const change = Object.entries(adjustment)
        .map(([field, value]) => `${field}=${value}`)
        .join(', ');
      noteActivity(transaction, keys, sandbox.id, `${Object.keys(adjustment).join(', ')} by ${by}`, nowMs);
      emit(transaction, keys, 'sandbox.adjusted', nowMs, { sandboxId: sandbox.id, by, change });
      const result = await transaction.commit();
      if (result.ok) return { result: 'written' };
      if (idempotency === undefined || result.guard !== 0) return { result: 'conflict' };
      return { result: 'replayed', known: parseKnownKey(result.actual) };
    },
  };
}
