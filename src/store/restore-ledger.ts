/**
 * Brings the ledger back from its files after Redis was lost. Everything that was flushed counts again as before; what
 * was open at the last flush before the loss goes on where the guest still exists in the same state, and ends at that
 * flush, or at what is known of its guest since, where it does not; metered lines of the bill count again. What closed
 * and opened between that flush and whatever was written since is not known: the answer states that gap.
 */
import type { LedgerEntry, OpenInterval } from '../core/ledger.ts';
import { readCostLines } from './cost-line-files.ts';
import type { CostLineStore } from './cost-lines.ts';
import type { LedgerStore, LedgerWriter } from './ledger.ts';
import { appendEntries, readEntries, readSnapshot, writeSnapshot } from './ledger-files.ts';
import { ENTRIES_AT_ONCE, moveJournal } from './move-journal.ts';
import { adoptAccounts, type OpenIntervalDeps, settleLost } from './restore-open.ts';
import { reclaimReadable } from './unreadable-files.ts';

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

export interface RestoreDeps extends OpenIntervalDeps {
  readonly ledger: LedgerStore;
  readonly costLines: CostLineStore;
}

export interface RestoreOptions {
  readonly folder: string;
  /** Whether a guest exists now, as far as the caller found out. */
  readonly isThere: (guestId: string) => boolean;
  readonly nowMs: number;
}

/** Within a minute it is not any more: a flush takes some milliseconds, and one that died loses its lease. */
export class LedgerBusyError extends Error {
  override readonly name = 'LedgerBusyError';
}

/**
 * May be repeated, and on a ledger that is in use: what waits in the journal is written first, then all tables are
 * made anew from the files. From then on flushes note again what is open.
 * @throws LedgerBusyError when another process writes the ledger
 */
export async function restoreLedger(deps: RestoreDeps, options: RestoreOptions): Promise<RestoredLedger> {
  const writer = await deps.ledger.becomeWriter();
  if (writer === undefined) {
    throw new LedgerBusyError('the ledger is being written by another process; try again in a minute');
  }
  try {
    return await restoreAs(writer, deps, options);
  } finally {
    await writer.release();
  }
}

async function restoreAs(
  writer: LedgerWriter,
  deps: RestoreDeps,
  { folder, isThere, nowMs }: RestoreOptions,
): Promise<RestoredLedger> {
  await moveJournal(writer, { folder, nowMs: () => nowMs, maxBatches: Number.POSITIVE_INFINITY });
  await reclaimReadable(folder);
  const lines = await readCostLines(folder);
  await deps.costLines.restore(lines, nowMs);
  const snapshot = await readSnapshot(folder);
  await writer.clearTables();
  const { followedAtMs, ...counts } = await restoreEntries(writer, folder, snapshot?.open ?? [], nowMs);
  const takenAtMs = snapshot?.takenAtMs ?? nowMs;
  const lost = { intervals: snapshot?.open ?? [], takenAtMs, followedAtMs };
  const { again, ended } = await settleLost(deps, lost, isThere);
  if (ended.length > 0) {
    await appendEntries(folder, ended);
    await writer.restore(ended, nowMs);
  }
  await adoptAccounts(deps, lost.intervals);
  // Last: until it is written a rebuild that died begins anew with what the old one says.
  const origin = await writer.takeOver();
  await writeSnapshot(folder, { takenAtMs: nowMs, origin, open: await deps.ledger.openIntervals() });
  return {
    ...counts,
    lines: lines.length,
    openAgain: again,
    endedAtFlush: ended.length,
    ...(snapshot ? { gap: { fromMs: takenAtMs, toMs: nowMs } } : {}),
  };
}

/** `followedAtMs`: of each guest that was open, when the first interval begins that ends after it had opened. */
async function restoreEntries(
  writer: LedgerWriter,
  folder: string,
  flushed: readonly OpenInterval[],
  nowMs: number,
) {
  const counts = { entries: 0, repeated: 0, unreadable: 0 };
  const knownUntil = new Map<string, number>();
  const openedAtMs = new Map(flushed.map(({ account, fromMs }) => [account.guestId, fromMs]));
  const followedAtMs = new Map<string, number>();
  for await (const { entries, repeated, unreadable } of readEntries(folder)) {
    counts.entries += entries.length;
    counts.repeated += repeated;
    counts.unreadable += unreadable;
    const distinct = entries
      .toSorted((a, b) => a.toMs - b.toMs)
      .flatMap((entry) => afterWhatIsKnown(entry, knownUntil) ?? []);
    for (const { account, fromMs, toMs } of distinct) {
      const { guestId } = account;
      const first = followedAtMs.get(guestId) ?? fromMs;
      if (toMs > (openedAtMs.get(guestId) ?? toMs)) followedAtMs.set(guestId, Math.min(first, fromMs));
    }
    for (let at = 0; at < distinct.length; at += ENTRIES_AT_ONCE) {
      await writer.restore(distinct.slice(at, at + ENTRIES_AT_ONCE), nowMs);
    }
  }
  return { ...counts, followedAtMs };
}

/** A Redis that came back from an old dump closed once more what had been closed: no instant counts twice. */
function afterWhatIsKnown(entry: LedgerEntry, knownUntil: Map<string, number>): LedgerEntry | undefined {
  const { guestId } = entry.account;
  const fromMs = Math.max(entry.fromMs, knownUntil.get(guestId) ?? entry.fromMs);
  if (fromMs >= entry.toMs) return undefined;
  knownUntil.set(guestId, entry.toMs);
  return { ...entry, fromMs };
}
