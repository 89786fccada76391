/** What starts hold in budgets, kept in the transactions that open and end their attempts. */
import type { Room } from '../core/budget-room.ts';
import type { Operation } from '../core/operation.ts';
import type { Reservation } from '../core/reservation.ts';
import type { Keys } from './keys.ts';
import type { Transaction } from './transaction.ts';

/** Puts the new reservation in the place of the one before, if there was one. The guard is the caller's. */
export function reserve(
  transaction: Transaction,
  keys: Keys,
  operation: Pick<Operation, 'id' | 'reserved'>,
  { reservation }: Room,
  nowMs: number,
): void {
  releaseReservation(transaction, keys, operation);
  const { microUsd, budgets } = reservation;
  for (const name of budgets) transaction.command('HINCRBY', keys.budgets.use, `${name}|reserved`, microUsd);
  transaction
    .command('HSET', keys.budgets.reservations, operation.id, encodeReservation(reservation, nowMs))
    .setFields(keys.operation(operation.id), { reserved: JSON.stringify(reservation) });
}

/** For an operation that ends without a sandbox. Called once: what is released is on its record. */
export function releaseReservation(
  transaction: Transaction,
  keys: Keys,
  { id, reserved }: Pick<Operation, 'id' | 'reserved'>,
): void {
  if (reserved === undefined) return;
  for (const name of reserved.budgets) {
    transaction.command('HINCRBY', keys.budgets.use, `${name}|reserved`, -reserved.microUsd);
  }
  transaction.command('HDEL', keys.budgets.reservations, id);
}

/** `micro-dollars|when|budget|budget…`, which the script of the tally reads too. */
export function encodeReservation({ microUsd, budgets }: Reservation, atMs: number): string {
  return [microUsd, atMs, ...budgets].join('|');
}

export function decodeReservation(encoded: string): Reservation & { readonly atMs: number } {
  const [microUsd, atMs, ...budgets] = encoded.split('|');
  return { microUsd: Number(microUsd), atMs: Number(atMs), budgets };
}
