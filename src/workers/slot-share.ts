/**
 * Starts, pauses and discards get the slots that were configured; a few more are kept for resumes and
 * destroys, for which somebody waits, so that these never queue behind a burst. Within one process a counter
 * keeps the share, over all processes a permit: whoever finds it taken parks and is woken in its turn.
 */
import { isSettled, type OperationKind } from '../core/operation.ts';
import type { ClaimOptions, ClaimResult, ClaimSubject } from '../store/claims.ts';
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

/** Claims, together with the slot that the operation has to hold, if it has to hold one. */
type ClaimWith = (slot?: ClaimOptions['slot']) => Promise<ClaimResult>;
type RunClaimed = (claimed: ClaimResult) => Promise<AttemptResult>;

/** Claims within the share, and runs with what came of the claim; nothing is claimed beyond the share. */
export async function withinShare(
  deps: SlotDeps,
  operation: ClaimSubject,
  claim: ClaimWith,
  run: RunClaimed,
): Promise<AttemptResult> {
  if (!SHARED.has(operation.kind)) return run(await claim());
  if (!deps.localShare.take()) {
    // It may have been handed a slot and been superseded since: then nobody else may wait for that slot.
    if (await freeIfOver(deps, operation.id, slotsOf(deps))) {
      return { result: 'skipped', why: 'its operation has settled' };
    }
    return { result: 'parked', delayMs: LOCAL_PARK_MS, why: 'this worker has its share at work' };
  }
  try {
    return await withPermit(deps, operation, claim, run);
  } finally {
    deps.localShare.giveBack();
  }
}

async function withPermit(
  deps: SlotDeps,
  operation: ClaimSubject,
  claim: ClaimWith,
  run: RunClaimed,
): Promise<AttemptResult> {
  const name = slotsOf(deps);
  let claimed: ClaimResult | undefined;
  try {
    claimed = await claim({ name, limit: deps.slots });
    if (claimed.status === 'unslotted') {
      const { oldest } = claimed;
      if (oldest.heldForMs > SUSPICIOUS_AFTER_MS) await freeIfOver(deps, oldest.holder, name);
    }
    return await run(claimed);
  } finally {
    // A claim that failed may have taken the slot all the same.
    if (!(await isAnothers(deps, operation, claimed))) await deps.permits.release(operation.id, name);
  }
}

/** The slot is the operation's: a run that is at work, or comes when its turn does, holds the same one. */
async function isAnothers(
  { store, provider }: SlotDeps,
  { id }: ClaimSubject,
  claimed: ClaimResult | undefined,
): Promise<boolean> {
  if (claimed?.status === 'held' || claimed?.status === 'unslotted') return true;
  if (claimed?.status !== 'stale') return false;
  const operation = await store.reading.operation(id);
  return operation?.attempts.at(-1)?.provider === provider.name;
}

/** The further back in line, the later it looks again; it is woken when its turn comes. */
export function waitForSlot(place: number): AttemptResult {
  const delayMs = Math.min(LONGEST_PARK_MS, PARK_MS + place * PARK_PER_PLACE_MS);
  return { result: 'parked', delayMs, why: `waits for a slot, place ${place} in line` };
}

function slotsOf({ provider }: SlotDeps): string {
  return `${provider.name}:slots`;
}

/** A worker that died took its slot along; its operation gives it back when it goes on, or has settled. */
async function freeIfOver({ store, permits }: SlotDeps, holder: string, name: string): Promise<boolean> {
  const operation = await store.reading.operation(holder);
  const isOver = operation === undefined || isSettled(operation.state);
  if (isOver) await permits.release(holder, name);
  return isOver;
}
