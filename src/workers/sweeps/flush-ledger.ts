/**
 * Moves closed intervals from the journal into files, then into the tables that costs are read from, and
 * notes what is open; metered lines of the bill go into a file of their own. A crash anywhere in between is
 * carried on by the next run: see `store/ledger.ts` and `store/ledger-files.ts`.
 */
import { appendCostLines, readCostLines } from '../../store/cost-line-files.ts';
import { appendEntries, writeSnapshot } from '../../store/ledger-files.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

/** Entries in one step: some 300 kB to the file and as much to Redis, a few milliseconds of its time. */
const BATCH = 500;
/** Batches in one run: 100,000 entries, what ten operations a second leave in three hours. The next run goes on. */
const MAX_BATCHES = 200;

export type FlushCounts = Record<'due' | 'written' | 'lines' | 'unreadable', number>;

export async function flushLedger(
  { store, ledgerDir, nowMs }: SweepDeps,
  { dryRun, signal }: SweepRunOptions,
): Promise<FlushCounts> {
  const due = await store.ledger.backlog();
  const nothing = { due, written: 0, lines: 0, unreadable: 0 };
  if (dryRun) return nothing;
  const writer = await store.ledger.becomeWriter();
  // A run that was cut off, or a rebuild: its lease ends within a minute.
  if (writer === undefined) return nothing;
  let written = 0;
  try {
    for (let batch = 0; batch < MAX_BATCHES && !signal.aborted; batch += 1) {
      const entries = await writer.oldest(BATCH);
      if (entries.length > 0) {
        if (ledgerDir !== undefined) await appendEntries(ledgerDir, entries);
        await writer.fold(entries, nowMs());
        written += entries.length;
      }
      if (entries.length < BATCH) break;
    }
    let lines = { lines: 0, unreadable: 0 };
    if (ledgerDir !== undefined) {
      const takenAtMs = nowMs();
      await writeSnapshot(ledgerDir, { takenAtMs, open: await store.ledger.openIntervals() });
      lines = await flushLines(store, ledgerDir);
    }
    await store.alerts.clear({ name: 'ledger.unwritable', subject: 'files' }, nowMs());
    return { due, written, ...lines };
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

/**
 * Compares with the file each time: a release that knows no file tells lines as well, and the folder may be a new one.
 * Where no line was told nothing is read; a few a day for a year are some 200 kB.
 */
async function flushLines({ costLines }: SweepDeps['store'], ledgerDir: string) {
  if ((await costLines.count()) === 0) return { lines: 0, unreadable: 0 };
  const written = new Set((await readCostLines(ledgerDir)).map(({ id }) => id));
  const { lines, unreadable } = await costLines.besides(written);
  if (lines.length > 0) await appendCostLines(ledgerDir, lines);
  return { lines: lines.length, unreadable };
}

function isFileTrouble(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && 'path' in error;
}
