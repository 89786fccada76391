/**
 * Submits a `configure` for every running guest whose TTL at the provider is to be renewed. It reads an index of
 * what is due, never the fleet. While this does not run, the TTL pauses the guest, memory kept: that is what it is for.
 */
import { isLifecycleError } from '../../core/lifecycle-error.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

/**
 * A hundred a minute at four passes: with the shortest TTL, renewed every half hour, that is 3,000 guests, and some
 * five requests a second at the provider.
 */
const BATCH = 25;
/** One that did not succeed, or waited behind something else, is asked for again. */
const AGAIN_MS = 2 * 60_000;
const REQUESTED_BY = 'the sweep renew-provider-ttl';

export type RenewCounts = Record<'due' | 'submitted' | 'dropped' | 'later' | 'failed', number>;

export async function renewProviderTtl(
  { store, submitter, nowMs, log }: SweepDeps,
  { dryRun, signal }: SweepRunOptions,
): Promise<RenewCounts> {
  const now = nowMs();
  const due = await store.renewals.due(now, BATCH);
  const counts = { due: due.length, submitted: 0, dropped: 0, later: 0, failed: 0 };
  if (dryRun) return counts;
  for (const guestId of due) {
    signal.throwIfAborted();
    try {
      counts[await renewOne({ store, submitter }, guestId, now)] += 1;
    } catch (error) {
      // One that cannot be read (written by a newer release, say) must not keep the sweep from the others.
      counts.failed += 1;
      await store.renewals.postpone(guestId, now + AGAIN_MS);
      log.error({ guestId, err: error }, 'could not renew the TTL of a guest; it is tried again');
    }
  }
  return counts;
}

async function renewOne(
  { store, submitter }: Pick<SweepDeps, 'store' | 'submitter'>,
  guestId: string,
  nowMs: number,
): Promise<'submitted' | 'dropped' | 'later'> {
  const guest = await store.reading.guest(guestId);
  const sandbox = guest && (await store.reading.sandbox(guest.sandboxId));
  const isHere = guest?.state === 'live' && sandbox?.placement?.guestId === guestId;
  if (!isHere || (sandbox.state !== 'running' && sandbox.state !== 'pausing')) {
    await store.renewals.drop(guestId, sandbox);
    return 'dropped';
  }
  // First, so that the settlement of the operation has the last word.
  await store.renewals.postpone(guestId, nowMs + AGAIN_MS);
  try {
    await submitter.change('configure', sandbox.id, {}, { requestedBy: REQUESTED_BY });
    return 'submitted';
  } catch (error) {
    // Something else is under way, or it ended just now.
    if (isLifecycleError(error)) return 'later';
    throw error;
  }
}
