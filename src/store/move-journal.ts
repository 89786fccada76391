/** Moves closed intervals from Redis's journal into the files, then into the tables of their days. */
import type { LedgerWriter } from './ledger.ts';
import { appendEntries } from './ledger-files.ts';

/** Entries in one step: some 300 kB to the file and as much to Redis, a few milliseconds of its time. */
export const ENTRIES_AT_ONCE = 500;

export interface MoveOptions {
  /** Absent: they go into the tables alone. */
  readonly folder?: string | undefined;
  readonly nowMs: () => number;
  /** Whoever calls again goes on. */
  readonly maxBatches: number;
  readonly signal?: AbortSignal;
}

/** How many were moved. */
export async function moveJournal(
  writer: LedgerWriter,
  { folder, nowMs, maxBatches, signal }: MoveOptions,
): Promise<number> {
  let moved = 0;
  for (let batch = 0; batch < maxBatches && !signal?.aborted; batch += 1) {
    const entries = await writer.oldest(ENTRIES_AT_ONCE);
    if (entries.length > 0) {
      if (folder !== undefined) await appendEntries(folder, entries);
      await writer.fold(entries, nowMs());
      moved += entries.length;
    }
    if (entries.length < ENTRIES_AT_ONCE) break;
  }
  return moved;
}
