/**
 * What a month of simulated guests costs, twice: by the real ledger and prices, with what it knows and when it
 * knows it; and by a meter of its own that knows the truth and shares no code with them.
 */

import { asUnder, type CounterfactualName, type Readings } from '../../src/core/counterfactual.ts';
import { splitByDay } from '../../src/core/day.ts';
import {
  accrue,
  type BillingChange,
  type BillingInstant,
  changeBilling,
  type LedgerAccount,
  type LedgerEntry,
  type OpenInterval,
} from '../../src/core/ledger.ts';
import type { PriceBook } from '../../src/core/price-book.ts';
import type { UsageRow } from '../../src/core/usage.ts';
import { priceUsage } from '../../src/core/usage-cost.ts';
import { settleAsObserved } from '../../src/workers/observed-state.ts';
import type { Random } from '../random.ts';
import type { SimulatedGuest } from './guests.ts';

export interface Month {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The sweep that looks at what providers hold; a pause by the provider is seen at its next run at the latest. */
const SEEN_WITHIN_MS = 60_000;
/**
 * How late Morph acts on a TTL that ran out: seconds to tens of seconds, by the time that its own tests allow for it
 * (python SDK, `test_ttl.py`). It bills until it has paused, and says afterwards only when the TTL ran out.
 */
const TTL_LAG_MS = 30_000;

export function billByLedger(
  guests: readonly SimulatedGuest[],
  book: PriceBook,
  month: Month,
  random: Random,
): number {
  const rows = guests.flatMap((guest) => entriesOf(guest, random).flatMap((entry) => rowsOf(entry, month)));
  const { totalMicroUsd } = priceUsage(book, rows, { groupBy: [], ...month, withNodes: true });
  return totalMicroUsd / 1_000_000;
}

/** What the ledger of this month says it would have cost under another policy, at the same prices; dollars. */
export function billUnder(
  policy: CounterfactualName,
  guests: readonly SimulatedGuest[],
  book: PriceBook,
  month: Month,
  random: Random,
): { readonly lowerUsd: number; readonly upperUsd: number } {
  const readings = guests.map((guest) => asUnder(policy, entriesOf(guest, random)));
  const usdOf = (pick: (reading: Readings) => readonly LedgerEntry[]) => {
    const rows = readings.flatMap((reading) => pick(reading).flatMap((entry) => rowsOf(entry, month)));
    return priceUsage(book, rows, { groupBy: [], ...month, withNodes: false }).totalMicroUsd / 1_000_000;
  };
  return { lowerUsd: usdOf(({ lower }) => lower), upperUsd: usdOf(({ upper }) => upper) };
}

/** The changes of a guest as the control plane learns of them, through the real ledger. */
function entriesOf(guest: SimulatedGuest, random: Random): readonly LedgerEntry[] {
  const account = accountOf(guest);
  const changes: BillingChange[] = guest.running.flatMap(({ fromMs, toMs }) => [
    { state: 'running', atMs: fromMs, evidence: 'clock' },
    {
      state: guest.provider === 'pve-lxc' ? 'stored' : 'paused',
      ...(guest.pausedByProvider ? pausedSince(toMs, random) : { atMs: toMs, evidence: 'clock' }),
    },
  ]);
  changes.push({ state: 'ended', atMs: guest.endMs, evidence: 'clock' });
  const entries: LedgerEntry[] = [];
  let open: OpenInterval | undefined;
  for (const change of changes) {
    const changed = changeBilling(account, open, change);
    if (changed.closed) entries.push(changed.closed);
    open = changed.open;
  }
  const rest = open && accrue(open, guest.endMs);
  return rest ? [...entries, rest] : entries;
}

/** As the control plane settles what it saw: by the TTL that Morph tells, in whole seconds. */
function pausedSince(ttlEndedAtMs: number, random: Random): BillingInstant {
  const pausesAtMs = Math.floor(ttlEndedAtMs / 1_000) * 1_000;
  const seenAtMs = ttlEndedAtMs + TTL_LAG_MS + random.between(0, SEEN_WITHIN_MS);
  const observed = { condition: 'paused', detail: 'paused', pausesAtMs } as const;
  const { since } = settleAsObserved(observed, { state: 'running' }, seenAtMs);
  return since ?? { atMs: seenAtMs, evidence: 'clock' };
}

function accountOf({ team, provider }: SimulatedGuest): LedgerAccount {
  return {
    guestId: team.session.id,
    sandboxId: team.session.id,
    provider,
    failureDomain: provider === 'morph' ? 'morph' : 'pve',
    ...(provider === 'morph' ? {} : { node: 'pve1' }),
    userId: team.userId,
    size: team.size,
  };
}

function rowsOf({ account, state, fromMs, toMs }: LedgerEntry, month: Month): readonly UsageRow[] {
  const parts = splitByDay(Math.max(fromMs, month.fromMs), Math.min(toMs, month.toMs));
  return parts.map((part) => ({ ...account, state, day: part.day, ms: part.toMs - part.fromMs }));
}

/** Morph's prices as its customers read them: by the hour, in dollars. */
export interface MeterPrices {
  readonly usdPerMcuHour: number;
  readonly usdPerGibHourStored: number;
  readonly usdPerNodeMonth: number;
}

const HOUR_MS = 3_600_000;

/** The meter: every guest's true hours times its rate, and the node in full. */
export function billByMeter(
  guests: readonly SimulatedGuest[],
  prices: MeterPrices,
  month: Month,
  random: Random,
): number {
  const hoursIn = (fromMs: number, toMs: number) =>
    Math.max(0, Math.min(toMs, month.toMs) - Math.max(fromMs, month.fromMs)) / HOUR_MS;
  let usd = prices.usdPerNodeMonth;
  for (const { provider, team, running, endMs, pausedByProvider } of guests) {
    if (provider !== 'morph') continue;
    const { vcpus, memoryMib, diskGib } = team.size;
    const mcu = Math.max(vcpus, Math.ceil(memoryMib / 4_096), Math.ceil(diskGib / 16));
    const lagMs = () => (pausedByProvider ? random.between(0, TTL_LAG_MS) : 0);
    const ran = running.reduce(
      (sum, { fromMs, toMs }) => sum + hoursIn(fromMs, Math.min(toMs + lagMs(), endMs)),
      0,
    );
    const lay = hoursIn(team.startMs, endMs) - ran;
    usd += ran * mcu * prices.usdPerMcuHour;
    usd += lay * (memoryMib / 1_024 + diskGib) * prices.usdPerGibHourStored;
  }
  return usd;
}
