/**
 * Starts, pauses and discards share three quarters of a provider's slots, so that a resume or a destroy, for
 * which somebody waits, always finds one. Whoever finds the share taken parks and is woken in its turn.
 */
import { isSettled, type Operation, type OperationKind } from '../core/operation.ts';
import type { AttemptResult } from './attempt-result.ts';
import type { WorkerDeps } from './worker-deps.ts';

const SHARED: ReadonlySet<OperationKind> = new Set(['start', 'pause', 'discard']);
const SHARE = 0.75;
/** Makes up for a lost wake-up; the permit's line forgets who asks less often than every ten seconds. */
const PARK_MS = 2_000;
/** Shorter than this the holder is simply at work, and its record need not be read. */
const SUSPICIOUS_AFTER_MS = 60_000;

type SlotDeps = Pick<WorkerDeps, 'permits' | 'provider' | 'slots' | 'store'>;

export async function withinShare(
  deps: SlotDeps,
  operation: Operation,
  run: () => Promise<AttemptResult>,
): Promise<AttemptResult> {
  if (!SHARED.has(operation.kind)) return run();
  const name = `${deps.provider.name}:slots`;
  const limit = Math.max(1, Math.floor(deps.slots * SHARE));
  const answer = await deps.permits.take(operation.id, [{ name, limit }]);
  if (!answer.granted) {
    if (answer.oldest.heldForMs > SUSPICIOUS_AFTER_MS) await freeIfOver(deps, answer.oldest.holder, name);
    return { result: 'parked', delayMs: PARK_MS, why: `waits for a slot, place ${answer.place} in line` };
  }
  try {
    return await run();
  } finally {
    await deps.permits.release(operation.id, name);
  }
}

/** A worker that died took its slot along; its operation gives it back when it goes on, or has settled. */
async function freeIfOver({ store, permits }: SlotDeps, holder: string, name: string): Promise<void> {
  const operation = await store.reading.operation(holder);
  if (operation === undefined || isSettled(operation.state)) await permits.release(holder, name);
}
