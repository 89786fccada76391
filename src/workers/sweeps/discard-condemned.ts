/**
 * Submits a `discard` for every condemned guest that is due. Only what a record here calls condemned is ever
 * discarded; the operation itself destroys nothing but what carries that guest's own marker.
 */
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

/** Guests submitted in one pass, so that a burst of failed starts does not flood an ailing provider. */
const BATCH = 20;
/** A discard that failed for good is submitted again after this. */
const AGAIN_MS = 10 * 60_000;

export type DiscardCounts = Record<'due' | 'submitted' | 'failed', number>;

export async function discardCondemned(
  { store, submitter, nowMs, log }: SweepDeps,
  { dryRun }: SweepRunOptions,
): Promise<DiscardCounts> {
  const now = nowMs();
  const due = await store.reading.dueCondemnedGuests(now, BATCH);
  if (dryRun) return { due: due.length, submitted: 0, failed: 0 };
  let submitted = 0;
  let failed = 0;
  for (const guestId of due) {
    try {
      if (await submitter.discard(guestId)) submitted += 1;
    } catch (error) {
      // One that cannot be read (written by a newer release, say) must not keep the sweep from the others.
      failed += 1;
      log.error(
        { guestId, err: error },
        'could not submit the removal of a condemned guest; it is tried again',
      );
    }
    await store.redis.zadd(store.keys.guestsCondemned, 'XX', now + AGAIN_MS, guestId);
  }
  return { due: due.length, submitted, failed };
}
