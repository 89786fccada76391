/** Holds the ledger against the simulators' own meters. */
import type { MeteredSpan } from '../../src/simulators/meter.ts';
import type { Store } from '../../src/store/store.ts';

export interface LedgerError {
  readonly sandboxId: string;
  readonly provider: string;
  readonly state: string;
  readonly ledgerMs: number;
  readonly meterMs: number;
  readonly errorMs: number;
  /** Begins and ends of the meter's spans: each may be seen late once. */
  readonly edges: number;
}

/** Longer than any test, and within what is kept by sandbox. */
const SINCE_MS = 40 * 86_400_000;

/** By sandbox, provider and state. Guests that no record here knows are left out: they are nobody's cost yet. */
export async function compareLedger(
  store: Store,
  spans: readonly MeteredSpan[],
  nowMs: number,
): Promise<readonly LedgerError[]> {
  const sums = new Map<string, { ledgerMs: number; meterMs: number; edges: number }>();
  const sumOf = (sandboxId: string, provider: string, state: string) => {
    const name = `${sandboxId}|${provider}|${state}`;
    const known = sums.get(name) ?? { ledgerMs: 0, meterMs: 0, edges: 0 };
    sums.set(name, known);
    return known;
  };
  const query = { fromMs: nowMs - SINCE_MS, toMs: nowMs, nowMs, bySandbox: true };
  for (const { sandboxId = '', provider, state, ms } of await store.ledger.usage(query)) {
    sumOf(sandboxId, provider, state).ledgerMs += ms;
  }
  for (const { guest: guestId, state, fromMs, toMs } of spans) {
    const guest = await store.reading.guest(guestId);
    if (guest === undefined) continue;
    const sum = sumOf(guest.sandboxId, guest.provider, state);
    sum.meterMs += toMs - fromMs;
    sum.edges += 2;
  }
  return [...sums].map(([name, each]) => {
    const [sandboxId = '', provider = '', state = ''] = name.split('|');
    return { sandboxId, provider, state, ...each, errorMs: each.ledgerMs - each.meterMs };
  });
}
