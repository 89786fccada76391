/**
 * Submits a `discard` for every condemned guest that is due. Only what a record here calls condemned is ever
 * discarded; the operation itself destroys nothing but what carries that guest's own marker.
 */
import { type Automation, decideDiscard } from '../../core/automation.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

/** Guests submitted in one pass, so that a burst of failed starts does not flood an ailing provider. */
const BATCH = 20;
/** A discard that failed for good is submitted again after this. */
const AGAIN_MS = 10 * 60_000;
/** While nothing automatic may be destroyed; the same as how long an operator waits for an effect. */
const HELD_BACK_MS = 60_000;

export type DiscardCounts = Record<'due' | 'submitted' | 'disowned' | 'failed', number>;

export async function discardCondemned(
  { store, submitter, nowMs, log }: SweepDeps,
  { dryRun }: SweepRunOptions,
): Promise<DiscardCounts> {
  const now = nowMs();
  const due = await store.reading.dueCondemnedGuests(now, BATCH);
  if (dryRun) return { due: due.length, submitted: 0, disowned: 0, failed: 0 };
  const automation = await store.automation.read();
  let submitted = 0;
  let disowned = 0;
  let failed = 0;
  for (const guestId of due) {
    let againAtMs = now + AGAIN_MS;
    try {
      const outcome = await discardOne({ store, submitter }, guestId, automation, now);
      if (outcome === 'submitted') submitted += 1;
      if (outcome === 'disowned') disowned += 1;
      if (outcome === 'held_back') againAtMs = now + HELD_BACK_MS;
    } catch (error) {
      // One that cannot be read (written by a newer release, say) must not keep the sweep from the others.
      failed += 1;
      log.error(
        { guestId, err: error },
        'could not submit the removal of a condemned guest; it is tried again',
      );
    }
    await store.redis.zadd(store.keys.guestsCondemned, 'XX', againAtMs, guestId);
  }
  return { due: due.length, submitted, disowned, failed };
}

async function discardOne(
  { store, submitter }: Pick<SweepDeps, 'store' | 'submitter'>,
  guestId: string,
  automation: Automation,
  nowMs: number,
): Promise<'submitted' | 'disowned' | 'held_back' | 'nothing'> {
  const guest = await store.reading.guest(guestId);
  if (guest === undefined) return 'nothing';
  const decision = decideDiscard(guest, automation);
  switch (decision.verdict) {
    case 'wait':
      return 'held_back';
    case 'disown': {
      const sandbox = await store.reading.sandbox(guest.sandboxId);
      const isDone = await store.inventory.disown(guest, sandbox, decision.reason, nowMs);
      return isDone ? 'disowned' : 'nothing';
    }
    case 'discard':
      return (await submitter.discard(guestId)) ? 'submitted' : 'nothing';
  }
}
