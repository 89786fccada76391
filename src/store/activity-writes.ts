import type { Keys } from './keys.ts';
import type { Transaction } from './transaction.ts';

/** An activity within a transaction that somebody's deed makes anyway. */
export function noteActivity(
  transaction: Transaction,
  keys: Keys,
  sandboxId: string,
  what: string,
  nowMs: number,
): void {
  transaction
    .setFields(keys.activity(sandboxId), { activeAtMs: nowMs, activeBy: what })
    .command('HINCRBY', keys.activity(sandboxId), 'sequence', 1);
}
