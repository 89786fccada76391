/** Small pieces that every write under a claim is made of. */
import type { Attempt } from '../core/operation.ts';
import { type Claim, subjectKeyOf } from './claims.ts';
import type { Keys } from './keys.ts';
import type { Transaction } from './transaction.ts';

export function attemptField(attempt: Attempt): Record<string, string> {
  return { [`attempt:${attempt.number}`]: JSON.stringify(attempt) };
}

/** The claim's own snapshot of the attempt may be older than the intent it recorded since. */
export function guestIdOf({ guest }: Claim): { readonly guestId?: string } {
  return guest === undefined ? {} : { guestId: guest.id };
}

export function release(
  transaction: Transaction,
  keys: Keys,
  { operation }: Claim,
  dueAtMs: number | undefined,
): void {
  const subjectKey = subjectKeyOf(keys, operation);
  transaction
    .setFields(subjectKey, { holder: '', leaseUntilMs: 0 })
    .command('HINCRBY', subjectKey, 'version', 1);
  if (dueAtMs !== undefined) transaction.command('ZADD', keys.operationsDue, dueAtMs, operation.id);
}
