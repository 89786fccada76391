/** What the ledger knew of each guest, and when: its open intervals, look by look. */
import { type BillingState, PRICED_BY } from '../src/core/price-book.ts';
import type { ProviderName } from '../src/core/provider-name.ts';
import type { Store } from '../src/store/store.ts';
import { type BilledGuest, judgeLedger, type KnownChange, type LedgerVerdict } from './ledger-error.ts';
import type { World } from './world.ts';

export interface LedgerWatch {
  look(): Promise<void>;
  readonly guests: () => readonly BilledGuest[];
}

interface Watched {
  readonly guestId: string;
  readonly sandboxId: string;
  readonly provider: ProviderName;
  readonly known: KnownChange[];
}

export function watchLedger({ ledger }: Store): LedgerWatch {
  const watched = new Map<string, Watched>();
  let lookedAtMs = Date.now();

  return {
    async look() {
      // A change after it was asked may be in the answer, so it counts as seen when the answer is here.
      const askedAtMs = Date.now();
      const intervals = await ledger.openIntervals();
      const seenAtMs = Date.now();
      const states = new Map<string, BillingState>();
      for (const { account, state } of intervals) {
        const { guestId, sandboxId, provider } = account;
        states.set(guestId, state);
        if (!watched.has(guestId)) watched.set(guestId, { guestId, sandboxId, provider, known: [] });
      }
      for (const { guestId, known } of watched.values()) {
        const state = states.get(guestId);
        if (known.at(-1)?.state === state) continue;
        known.push({ ...(state === undefined ? {} : { state }), afterMs: lookedAtMs, seenAtMs });
      }
      lookedAtMs = askedAtMs;
    },
    guests: () => [...watched.values()],
  };
}

/** Longer than any run. */
const SINCE_MS = 2 * 86_400_000;

/** Takes a last look, so that nothing that the ledger knows now counts as not known. */
export async function judgeLedgerOf(watch: LedgerWatch, store: Store, world: World): Promise<LedgerVerdict> {
  await watch.look();
  const metered = await world.metered();
  const nowMs = Date.now();
  const query = { fromMs: nowMs - SINCE_MS, toMs: nowMs, nowMs, bySandbox: true };
  const rows = await store.ledger.usage(query);
  return judgeLedger({
    guests: watch.guests(),
    metered,
    recorded: rows.map(({ sandboxId = '', provider, state, ms }) => ({ sandboxId, provider, state, ms })),
    endMs: nowMs,
    microUsdPerHour,
  });
}

/**
 * Every sandbox of a run is of one size, so a state has one price: 4 MCU at Morph's published prices, and 8 of 128
 * GiB of a node for $200 a month. A guest costs nobody memory while it is paused or off.
 */
function microUsdPerHour(provider: ProviderName, state: BillingState): number {
  const isOff = state === 'paused' || state === 'stored';
  if (PRICED_BY[provider] === 'mcu') return isOff ? 400 : 200_000;
  return isOff ? 0 : 17_000;
}
