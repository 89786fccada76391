import type { EmittedEventName, HistoryEntry, LifecycleEvents } from '../core/events.ts';
import { measuresOf } from '../core/measures.ts';
import {
  EVENTS_MAX_LENGTH,
  HISTORY_MAX_LENGTH,
  HISTORY_RETENTION_MS,
  type Keys,
  transitionFacts,
  transitionKeys,
} from './keys.ts';
import type { Transaction } from './transaction.ts';

/**
 * Adds an event to the log and, where it tells of one, to its sandbox's history, and raises what the metrics
 * count of it, in the transaction that makes it true. A change of state has more to it, which
 * `record-transition.lua` does.
 */
export function emit<N extends EmittedEventName>(
  transaction: Transaction,
  keys: Keys,
  name: N,
  atMs: number,
  event: LifecycleEvents[N],
): void {
  for (const { measure, by } of measuresOf(name, event)) {
    transaction.command('HINCRBY', keys.measures, measure, by);
  }
  if (name === 'sandbox.changed') {
    const { sandboxId, operationId, from, to } = event as LifecycleEvents['sandbox.changed'];
    const facts = [sandboxId, operationId, from, to, atMs, ...transitionFacts()];
    transaction.transition(transitionKeys(keys, sandboxId), facts);
    return;
  }
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
  if (!('sandboxId' in event) || isRoutine(name, event)) return;
  const { sandboxId, ...facts } = event;
  const entry: HistoryEntry = { type: name, atMs, facts: facts as HistoryEntry['facts'] };
  const history = keys.history(sandboxId);
  transaction
    .command('RPUSH', history, JSON.stringify(entry))
    .command('LTRIM', history, -HISTORY_MAX_LENGTH, -1)
    .command('PEXPIRE', history, HISTORY_RETENTION_MS);
}

/** A renewal every two hours, each told twice, would push what people ask about out of a history of a hundred. */
function isRoutine<N extends EmittedEventName>(name: N, event: LifecycleEvents[N]): boolean {
  if (name !== 'operation.requested' && name !== 'operation.settled') return false;
  const { kind, state } = event as Partial<LifecycleEvents['operation.settled']>;
  return kind === 'configure' && state !== 'failed';
}
