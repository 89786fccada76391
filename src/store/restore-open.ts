/** What was open when the ledger was last noted, and is not known to have ended: it goes on, or ends there. */
import type { LedgerEntry, OpenInterval } from '../core/ledger.ts';
import type { Keys } from './keys.ts';
import type { LedgerStore } from './ledger.ts';
import { encodeOpen } from './ledger-encoding.ts';
import type { BeginTransaction } from './transaction.ts';

export interface OpenIntervalDeps {
  readonly ledger: Pick<LedgerStore, 'openIntervals'>;
  readonly begin: BeginTransaction;
  readonly keys: Keys;
}

export interface LostIntervals {
  readonly intervals: readonly OpenInterval[];
  readonly takenAtMs: number;
  /** When the first interval of a guest begins that ended after it had opened. */
  readonly followedAtMs: ReadonlyMap<string, number>;
}

/** A guest that is there in the same state, and nothing is known between, keeps its interval's beginning. */
export async function settleLost(
  deps: OpenIntervalDeps,
  { intervals, takenAtMs, followedAtMs }: LostIntervals,
  isThere: (guestId: string) => boolean,
): Promise<{ readonly again: number; readonly ended: readonly LedgerEntry[] }> {
  const current = await openByGuest(deps);
  let again = 0;
  const ended: LedgerEntry[] = [];
  for (const interval of intervals) {
    const { guestId } = interval.account;
    const now = current.get(guestId);
    const closedMs = followedAtMs.get(guestId);
    const goesOn =
      isThere(guestId) && closedMs === undefined && (now === undefined || now.state === interval.state);
    if (goesOn && (await replaceOpen(deps, now, earlier(interval, now)))) again += 1;
    else {
      // What is known since may have begun before that flush: the provider's own record says so, or a clock is behind.
      const toMs = Math.min(takenAtMs, closedMs ?? takenAtMs, now?.fromMs ?? takenAtMs);
      if (toMs > interval.fromMs) ended.push({ ...interval, toMs, toEvidence: 'clock' });
    }
  }
  return { again, ended };
}

/** Of guests that were opened by their marker, which tells neither their size nor what their start was meant for. */
export async function adoptAccounts(deps: OpenIntervalDeps, flushed: readonly OpenInterval[]): Promise<void> {
  const current = await openByGuest(deps);
  for (const { account } of flushed) {
    const open = current.get(account.guestId);
    if (open !== undefined) await replaceOpen(deps, open, { ...open, account });
  }
}

async function openByGuest({ ledger }: OpenIntervalDeps): Promise<ReadonlyMap<string, OpenInterval>> {
  return new Map((await ledger.openIntervals()).map((open) => [open.account.guestId, open]));
}

function earlier(interval: OpenInterval, now: OpenInterval | undefined): OpenInterval {
  return now !== undefined && now.fromMs < interval.fromMs ? now : interval;
}

/** False: the guest changed since it was read. */
async function replaceOpen(
  { begin, keys }: OpenIntervalDeps,
  now: OpenInterval | undefined,
  next: OpenInterval,
): Promise<boolean> {
  const { guestId } = next.account;
  const known = now ? encodeOpen(now) : '';
  const encoded = encodeOpen(next);
  if (encoded === known) return true;
  const { ok } = await begin()
    .guardField(keys.ledger.open, guestId, known)
    .command('HSET', keys.ledger.open, guestId, encoded)
    .commit();
  return ok;
}
