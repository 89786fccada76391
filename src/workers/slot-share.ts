/**
 * Starts, pauses and discards get the slots that were configured; a few more are kept for resumes and
 * destroys, for which somebody waits, so that these never queue behind a burst. Within one process a counter
 * keeps the share, over all processes a permit: whoever finds it taken parks and is woken in its turn.
 */
import { isSettled, type Operation, type OperationKind } from '../core/operation.ts';
import type { AttemptResult } from './attempt-result.ts';
import type { WorkerDeps } from './worker-deps.ts';

const SHARED: ReadonlySet<OperationKind> = new Set(['start', 'pause', 'discard']);
/** A quarter more than the share itself, and never none. */
const KEPT_FREE = 0.25;
/** The share of this process is taken: another process may have room, and this one soon. */
const LOCAL_PARK_MS = 500;
/** Makes up for a lost wake-up; the permit's line forgets who asks less often than every ten seconds. */
const PARK_MS = 2_000;
const LONGEST_PARK_MS = 8_000;
/** Whoever is far back in line need not look as often. */
const PARK_PER_PLACE_MS = 50;
/** Shorter than this the holder is simply at work, and its record need not be read. */
const SUSPICIOUS_AFTER_MS = 60_000;

type SlotDeps = Pick<WorkerDeps, 'permits' | 'provider' | 'slots' | 'store' | 'localShare'>;

/** The share, and what is kept free on top of it. */
export function slotsWithReserve(share: number): number {
  return share + Math.max(1, Math.ceil(share * KEPT_FREE));
}

export async function withinShare(
  deps: SlotDeps,
  operation: Operation,
  run: () => Promise<AttemptResult>,
): Promise<AttemptResult> {
  if (!SHARED.has(operation.kind)) return run();
  if (!deps.localShare.take()) {
    return { result: 'parked', delayMs: LOCAL_PARK_MS, why: 'this worker has its share at work' };
  }
  try {
    return await withPermit(deps, operation, run);
  } finally {
    deps.localShare.giveBack();
  }
}

async function withPermit(
  deps: SlotDeps,
  operation: Operation,
  run: () => Promise<AttemptResult>,
): Promise<AttemptResult> {
  const name = slotsOf(deps);
  const answer = await deps.permits.take(operation.id, [{ name, limit: deps.slots }]);
  if (!answer.granted) {
    const { place, oldest } = answer;
    if (oldest.heldForMs > SUSPICIOUS_AFTER_MS) await freeIfOver(deps, oldest.holder, name);
    const delayMs = Math.min(LONGEST_PARK_MS, PARK_MS + place * PARK_PER_PLACE_MS);
    return { result: 'parked', delayMs, why: `waits for a slot, place ${place} in line` };
  }
  try {
    return await run();
  } finally {
    await deps.permits.release(operation.id, name);
  }
}

/** An operation that was superseded while it waited may have been handed a slot since. */
export async function giveSlotBack(deps: SlotDeps, { id, kind }: Operation): Promise<void> {
  if (SHARED.has(kind)) await deps.permits.release(id, slotsOf(deps));
}

function slotsOf({ provider }: SlotDeps): string {
  return `${provider.name}:slots`;
}

/** A worker that died took its slot along; its operation gives it back when it goes on, or has settled. */
async function freeIfOver({ store, permits }: SlotDeps, holder: string, name: string): Promise<void> {
  const operation = await store.reading.operation(holder);
  if (operation === undefined || isSettled(operation.state)) await permits.release(holder, name);
}
