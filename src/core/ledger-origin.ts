/**
 * Which ledger the folder's note of what is open (`open.json`) is of. A Redis that was emptied begins another ledger,
 * and one that came back from an old dump lacks its latest flushes: neither may write over the note, because nothing
 * but a rebuild from it knows since when those guests cost money.
 */
export interface LedgerOrigin {
  readonly id: string;
  /** How many flushes there had been. */
  readonly flush: number;
}

export interface LedgerInRedis {
  /** Absent: nothing was ever flushed from here, or the last release did it. */
  readonly id?: string | undefined;
  readonly flushes: number;
  readonly hasTables: boolean;
  /** A note was refused before, and nobody has rebuilt since. */
  readonly isRefused: boolean;
}

/** A Redis that syncs every second may lose its last one, and with it one flush. */
const FLUSHES_LOST_AT_MOST = 1;

/** @param found without an origin: the last release wrote it */
export function mayReplaceSnapshot(
  found: { readonly origin?: LedgerOrigin } | undefined,
  { id, flushes, hasTables, isRefused }: LedgerInRedis,
): boolean {
  if (isRefused) return false;
  if (found === undefined) return true;
  if (found.origin === undefined) return id !== undefined || hasTables;
  return found.origin.id === id && found.origin.flush <= flushes + FLUSHES_LOST_AT_MOST;
}
