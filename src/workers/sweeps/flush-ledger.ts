/**
 * Moves closed intervals from the journal into files, then into the tables that costs are read from, and notes what is
 * open; metered lines of the bill go into a file of their own, and so does what cannot be read. A crash anywhere in
 * between is carried on by the next run: see `store/ledger.ts` and `store/ledger-files.ts`.
 *
 * A Redis that was emptied, or came back from an old dump, goes on being flushed; the note of what was open before
 * stays as it is until a rebuild has read it.
 */
import type { LedgerOrigin } from '../../core/ledger-origin.ts';
import { appendCostLines, readCostLines } from '../../store/cost-line-files.ts';
import type { LedgerWriter } from '../../store/ledger.ts';
import { type OpenSnapshot, readSnapshot, writeSnapshot } from '../../store/ledger-files.ts';
import { ENTRIES_AT_ONCE, moveJournal } from '../../store/move-journal.ts';
import { adoptAccounts } from '../../store/restore-open.ts';
import { appendUnreadable, readUnreadable } from '../../store/unreadable-files.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';
import { tellUnreadable } from './tell-unreadable.ts';

/** In one run: what ten operations a second leave in three hours. The next run goes on. */
const MAX_BATCHES = 100_000 / ENTRIES_AT_ONCE;

export type FlushCounts = Record<'due' | 'written' | 'lines' | 'unreadable', number>;

export async function flushLedger(
  deps: SweepDeps,
  { dryRun, signal }: SweepRunOptions,
): Promise<FlushCounts> {
  const { store, ledgerDir, nowMs } = deps;
  const due = await store.ledger.backlog();
  const nothing = { due, written: 0, lines: 0, unreadable: 0 };
  if (dryRun) return nothing;
  const writer = await store.ledger.becomeWriter();
  // A run that was cut off, or a rebuild: its lease ends within a minute.
  if (writer === undefined) return nothing;
  try {
    // Before anything is written: what Redis holds by itself says whether it is the one that was flushed before.
    const origin = ledgerDir === undefined ? undefined : await findOrigin(deps, writer, ledgerDir);
    const written = await moveJournal(writer, { folder: ledgerDir, nowMs, maxBatches: MAX_BATCHES, signal });
    if (ledgerDir !== undefined && origin !== undefined) {
      const takenAtMs = nowMs();
      await writeSnapshot(ledgerDir, { takenAtMs, origin, open: await store.ledger.openIntervals() });
    }
    const bill = await flushLines(store, ledgerDir);
    const unreadable = await setAside(deps, writer, bill.unreadable);
    await store.alerts.clearAll([{ name: 'ledger.unwritable', subject: 'files' }], nowMs());
    return { due, written, lines: bill.lines, unreadable };
  } catch (error) {
    if (isFileTrouble(error)) {
      const message = `the ledger cannot be written to ${ledgerDir}: ${error.message}`;
      await store.alerts.raise({ name: 'ledger.unwritable', subject: 'files', message }, nowMs());
    }
    throw error;
  } finally {
    await writer.release();
  }
}

/** What the next note of open intervals is marked with; `undefined`: there is to be none. */
async function findOrigin(
  { store, nowMs }: SweepDeps,
  writer: LedgerWriter,
  ledgerDir: string,
): Promise<LedgerOrigin | undefined> {
  const found = await readSnapshot(ledgerDir);
  const origin = await writer.nextMark(found);
  if (origin !== undefined) {
    await store.alerts.clearAll([behind(ledgerDir)], nowMs());
    return origin;
  }
  await store.alerts.raise(behind(ledgerDir, found), nowMs());
  // A guest that is met by its marker, which tells no size, would cost nothing meanwhile.
  await adoptAccounts(store, found?.open ?? []);
  return undefined;
}

function behind(ledgerDir: string, found?: OpenSnapshot) {
  const until = found ? ` from ${new Date(found.takenAtMs).toISOString()}` : '';
  return {
    name: 'ledger.behind',
    subject: 'files',
    message: `${ledgerDir} knows of open intervals${until} that this Redis does not hold; they are kept for a rebuild`,
    remediation: 'cmux-lifecycle rebuild --apply',
  } as const;
}

/**
 * Compares with the file each time: a release that knows no file tells lines as well, and the folder may be a new one.
 * Where no line was told nothing is read; a few a day for a year are some 200 kB.
 */
async function flushLines({ costLines }: SweepDeps['store'], ledgerDir: string | undefined) {
  if ((await costLines.count()) === 0) return { lines: 0, unreadable: [] };
  const told = ledgerDir === undefined ? [] : await readCostLines(ledgerDir);
  const { lines, unreadable } = await costLines.besides(new Set(told.map(({ id }) => id)));
  if (ledgerDir === undefined) return { lines: 0, unreadable };
  if (lines.length > 0) await appendCostLines(ledgerDir, lines);
  return { lines: lines.length, unreadable };
}

/** Keeps on disk what the journal held and nobody can read. Answers how much of the ledger cannot be read by now. */
async function setAside(
  { store, ledgerDir, nowMs }: SweepDeps,
  writer: LedgerWriter,
  lines: readonly string[],
): Promise<number> {
  const found = await store.ledger.unreadable();
  let closed = found.setAside;
  if (ledgerDir !== undefined) {
    if (closed.length > 0) {
      await appendUnreadable(ledgerDir, closed);
      await writer.dropSetAside(closed.length);
    }
    closed = await readUnreadable(ledgerDir);
  }
  await tellUnreadable(store.alerts, { closed, open: found.openOf, lines }, nowMs());
  return closed.length + found.openOf.length + lines.length;
}

function isFileTrouble(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && 'path' in error;
}
