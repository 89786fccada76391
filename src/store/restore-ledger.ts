/**
 * Brings the ledger back from its files after Redis was lost. Everything that was flushed counts again as before; what
 * was open at the last flush goes on where the guest still exists, and ends at that flush where it does not; metered
 * lines of the bill count again. What closed and opened after the last flush is not known: the answer states that gap.
 */
import { entryId, type LedgerEntry, type OpenInterval } from '../core/ledger.ts';
import { readCostLines } from './cost-line-files.ts';
import type { CostLineStore } from './cost-lines.ts';
import type { Keys } from './keys.ts';
import type { LedgerStore } from './ledger.ts';
import { encodeOpen } from './ledger-encoding.ts';
import { appendEntries, readEntries, readSnapshot } from './ledger-files.ts';
import type { BeginTransaction } from './transaction.ts';

export interface RestoredLedger {
  readonly entries: number;
  /** Entries that a crash had written twice; they count once. */
  readonly repeated: number;
  /** Half lines that a crash left. */
  readonly unreadable: number;
  /** Metered lines of the bill that the files hold. */
  readonly lines: number;
  readonly openAgain: number;
  readonly endedAtFlush: number;
  /** From the last flush until now: what began and ended in it is not known. Absent: there never was a flush. */
  readonly gap?: { readonly fromMs: number; readonly toMs: number };
}

export interface RestoreDeps {
  readonly ledger: LedgerStore;
  readonly costLines: CostLineStore;
  readonly begin: BeginTransaction;
  readonly keys: Keys;
}

/** Entries written in one step. */
const BATCH = 500;

/**
 * May be repeated, and on a ledger that is in use: tables are made anew from the files, and what waits in the
 * journal stays there.
 * @param isThere whether a guest exists now, as far as the caller found out
 * @throws when another process writes the ledger; within a minute it does not any more.
 */
export async function restoreLedger(
  { ledger, costLines, begin, keys }: RestoreDeps,
  {
    folder,
    isThere,
    nowMs,
  }: {
    readonly folder: string;
    readonly isThere: (guestId: string) => boolean;
    readonly nowMs: number;
  },
): Promise<RestoredLedger> {
  const writer = await ledger.becomeWriter();
  if (writer === undefined)
    throw new Error('the ledger is being written by another process; try again in a minute');
  try {
    const waiting = new Set((await writer.oldest(Number.MAX_SAFE_INTEGER)).map(entryId));
    const lines = await readCostLines(folder);
    await costLines.restore(lines, nowMs);
    const counts = { entries: 0, repeated: 0, unreadable: 0, lines: lines.length };
    /** Until when each guest's time is known. */
    const knownUntil = new Map<string, number>();
    await writer.clearTables();
    for await (const { entries, repeated, unreadable } of readEntries(folder)) {
      counts.repeated += repeated;
      counts.unreadable += unreadable;
      const missing = entries.filter((entry) => !waiting.has(entryId(entry)));
      for (let at = 0; at < missing.length; at += BATCH) {
        await writer.restore(missing.slice(at, at + BATCH), nowMs);
      }
      for (const { account, toMs } of entries) {
        knownUntil.set(account.guestId, Math.max(toMs, knownUntil.get(account.guestId) ?? 0));
      }
      counts.entries += entries.length;
    }
    const snapshot = await readSnapshot(folder);
    if (snapshot === undefined) return { ...counts, openAgain: 0, endedAtFlush: 0 };
    const lost = snapshot.open.filter(
      ({ account, fromMs }) => fromMs >= (knownUntil.get(account.guestId) ?? 0),
    );
    const { again, ended } = await settleLost({ ledger, begin, keys }, lost, snapshot.takenAtMs, isThere);
    await adoptAccounts({ ledger, begin, keys }, snapshot.open);
    if (ended.length > 0) {
      await appendEntries(folder, ended);
      await writer.restore(ended, nowMs);
    }
    return {
      ...counts,
      openAgain: again,
      endedAtFlush: ended.length,
      gap: { fromMs: snapshot.takenAtMs, toMs: nowMs },
    };
  } finally {
    await writer.release();
  }
}

/** A guest that is there in the same state as at the flush keeps its interval's beginning. */
async function settleLost(
  { ledger, begin, keys }: Omit<RestoreDeps, 'costLines'>,
  lost: readonly OpenInterval[],
  takenAtMs: number,
  isThere: (guestId: string) => boolean,
): Promise<{ readonly again: number; readonly ended: readonly LedgerEntry[] }> {
  const current = new Map((await ledger.openIntervals()).map((open) => [open.account.guestId, open]));
  let again = 0;
  const ended: LedgerEntry[] = [];
  for (const interval of lost) {
    const { guestId } = interval.account;
    const now = current.get(guestId);
    const goesOn = isThere(guestId) && (now === undefined || now.state === interval.state);
    const written =
      goesOn &&
      (await begin()
        .guardField(keys.ledger.open, guestId, now ? encodeOpen(now) : '')
        .command('HSET', keys.ledger.open, guestId, encodeOpen(interval))
        .commit());
    if (written !== false && written.ok) again += 1;
    else {
      // What is open now may have begun before that flush: the provider's own record says so, or a clock is behind.
      const toMs = Math.min(takenAtMs, now?.fromMs ?? takenAtMs);
      if (toMs > interval.fromMs) ended.push({ ...interval, toMs, toEvidence: 'clock' });
    }
  }
  return { again, ended };
}

/** Of a guest that a rebuild opened by its marker, which tells neither its size nor what its start was meant for. */
async function adoptAccounts(
  { ledger, begin, keys }: Omit<RestoreDeps, 'costLines'>,
  flushed: readonly OpenInterval[],
): Promise<void> {
  const accounts = new Map(flushed.map(({ account }) => [account.guestId, account]));
  for (const open of await ledger.openIntervals()) {
    const { guestId } = open.account;
    const known = encodeOpen(open);
    const adopted = encodeOpen({ ...open, account: accounts.get(guestId) ?? open.account });
    if (adopted === known) continue;
    await begin()
      .guardField(keys.ledger.open, guestId, known)
      .command('HSET', keys.ledger.open, guestId, adopted)
      .commit();
  }
}
