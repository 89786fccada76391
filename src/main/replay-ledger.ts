/** The part of a rebuild that brings the ledger back from its files, and tells what nobody can know any more. */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { LedgerBusyError, type RestoredLedger, restoreLedger } from '../store/restore-ledger.ts';
import type { Store } from '../store/store.ts';
import type { ReplayOptions } from './rebuild.ts';

/** Longer than another process may keep the ledger. */
const TRIES = 70;
const TRY_AGAIN_MS = 1_000;

export function replayLedger(
  store: Pick<Store, 'ledger' | 'costLines' | 'begin' | 'keys'>,
  { folder, nowMs }: { readonly folder: string; readonly nowMs: () => number },
): (options: ReplayOptions) => Promise<readonly string[]> {
  return async ({ apply, guestIds, isComplete }) => {
    if (!existsSync(folder))
      return [`ledger     there are no files in ${folder}, so nothing of it is restored`];
    if (!apply) return [`ledger     would be restored from ${folder}`];
    // What a silent provider holds would be billed as ended.
    if (!isComplete) return ['ledger     not restored, because not every provider answered; run it again'];
    const isThere = (guestId: string) => guestIds.has(guestId);
    for (let tries = 1; ; tries += 1) {
      const options = { folder, isThere, nowMs: nowMs() };
      try {
        return describe(await restoreLedger(store, options));
      } catch (error) {
        if (tries >= TRIES || !(error instanceof LedgerBusyError)) throw error;
        await delay(TRY_AGAIN_MS);
      }
    }
  };
}

function describe({
  entries,
  lines,
  openAgain,
  endedAtFlush,
  unreadable,
  gap,
}: RestoredLedger): readonly string[] {
  const what = `${entries} intervals count again, ${openAgain} go on, ${endedAtFlush} ended at the last flush`;
  const bill = lines > 0 ? `, ${lines} other lines of the bill are there` : '';
  const broken = unreadable > 0 ? `, ${unreadable} half lines were left out` : '';
  const time = (ms: number) => new Date(ms).toISOString();
  return [
    `ledger     ${what}${bill}${broken}`,
    gap
      ? `ledger     not known: what began and ended from ${time(gap.fromMs)} to ${time(gap.toMs)}`
      : 'ledger     it was never flushed: what was open then is not known',
  ];
}
