import type { LifecycleEventName, LifecycleEvents } from '../core/events.ts';
import { EVENTS_MAX_LENGTH, type Keys } from './keys.ts';
import type { Transaction } from './transaction.ts';

/** Adds an event to the log in the transaction that makes it true. */
export function emit<N extends LifecycleEventName>(
  transaction: Transaction,
  keys: Keys,
  name: N,
  atMs: number,
  event: LifecycleEvents[N],
): void {
  const fields = Object.entries(event).flatMap(([field, value]) => [field, String(value)]);
  transaction.command(
    'XADD',
    keys.events,
    'MAXLEN',
    '~',
    EVENTS_MAX_LENGTH,
    '*',
    ...['type', name, 'atMs', atMs],
    ...fields,
  );
}
