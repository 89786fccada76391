/**
 * The judge of the ledger: how far it is from the providers' own meters after a run, in money, and how far it may
 * be. It can know of a change only once it was seen, so it may be wrong by the detection delay of each change at
 * the rates that the change is between, and by no more. Pure, so that a wrong ledger can be planted and seen caught.
 *
 * What the ledger knew, and when, is seen from outside by looking at its open intervals. A change that a look shows
 * happened at some time since the look before: that time counts as delay, too.
 */
import type { BillingState } from '../src/core/price-book.ts';
import type { ProviderName } from '../src/core/provider-name.ts';
import type { MeteredSpan } from '../src/simulators/meter.ts';
import type { Finding } from './checker.ts';

export interface KnownChange {
  /** Absent: the ledger has no open interval of the guest. */
  readonly state?: BillingState;
  /** The last look that showed the state before; and the first one that shows this. */
  readonly afterMs: number;
  readonly seenAtMs: number;
}

export interface BilledGuest {
  readonly guestId: string;
  readonly sandboxId: string;
  readonly provider: ProviderName;
  /** What the looks showed of it, in order. */
  readonly known: readonly KnownChange[];
}

/** What the ledger says in the end. Rows that are alike add up. */
export interface Recorded {
  readonly sandboxId: string;
  readonly provider: ProviderName;
  readonly state: BillingState;
  readonly ms: number;
}

export interface LedgerEvidence {
  readonly guests: readonly BilledGuest[];
  /** The meters' spans until `endMs`. */
  readonly metered: readonly MeteredSpan[];
  readonly recorded: readonly Recorded[];
  readonly endMs: number;
  /** Micro-dollars that a guest costs in an hour. */
  readonly microUsdPerHour: (provider: ProviderName, state: BillingState) => number;
}

export interface LedgerVerdict {
  /** What the meters charge for everything. */
  readonly meteredMicroUsd: number;
  /** Of each sandbox on each provider, without its sign: errors do not make up for each other. */
  readonly errorMicroUsd: number;
  /** The sum of detection delays × rate. */
  readonly boundMicroUsd: number;
  readonly longestDelayMs: number;
  /** Where the error is above the bound: the sandboxes that are worst. */
  readonly findings: readonly Finding[];
}

const HOUR_MS = 3_600_000;
const WORST = 5;

export function judgeLedger(evidence: LedgerEvidence): LedgerVerdict {
  const { guests, metered, recorded, microUsdPerHour } = evidence;
  const sums = new Map<string, { ledger: number; meter: number; bound: number }>();
  const sumOf = (sandboxId: string, provider: ProviderName) => {
    const name = `${sandboxId} on ${provider}`;
    const known = sums.get(name) ?? { ledger: 0, meter: 0, bound: 0 };
    sums.set(name, known);
    return known;
  };
  let longestDelayMs = 0;
  for (const { sandboxId, provider, state, ms } of recorded) {
    sumOf(sandboxId, provider).ledger += (ms * microUsdPerHour(provider, state)) / HOUR_MS;
  }
  for (const guest of guests) {
    const spans = metered.filter((span) => span.guest === guest.guestId);
    const sum = sumOf(guest.sandboxId, guest.provider);
    for (const { state, fromMs, toMs } of spans) {
      sum.meter += ((toMs - fromMs) * microUsdPerHour(guest.provider, state)) / HOUR_MS;
    }
    const { microUsd, longestMs } = disagreement(guest, spans, evidence);
    sum.bound += microUsd;
    longestDelayMs = Math.max(longestDelayMs, longestMs);
  }
  const each = [...sums].map(([id, { ledger, meter, bound }]) => ({ id, ledger, meter, bound }));
  const total = (of: (sum: (typeof each)[number]) => number) =>
    Math.round(each.reduce((before, sum) => before + of(sum), 0));
  const errorMicroUsd = total(({ ledger, meter }) => Math.abs(ledger - meter));
  const boundMicroUsd = total(({ bound }) => bound);
  const worst = each
    .map(({ id, ledger, meter, bound }) => ({ id, ledger, meter, bound, error: Math.abs(ledger - meter) }))
    .sort((a, b) => b.error - b.bound - (a.error - a.bound))
    .slice(0, WORST);
  return {
    meteredMicroUsd: total(({ meter }) => meter),
    errorMicroUsd,
    boundMicroUsd,
    longestDelayMs,
    findings:
      errorMicroUsd <= boundMicroUsd
        ? []
        : worst.map(({ id, ledger, meter, bound }) => ({
            id,
            why: `the ledger says ${Math.round(ledger)} micro-dollars, the meter ${Math.round(meter)}, and ${Math.round(bound)} are explained by delays`,
          })),
  };
}

/** Money between what the meter showed and what the ledger may have known, over all time; and the longest such time. */
function disagreement(
  { provider, known }: BilledGuest,
  spans: readonly MeteredSpan[],
  { endMs, microUsdPerHour }: LedgerEvidence,
): { readonly microUsd: number; readonly longestMs: number } {
  const rate = (state: BillingState | undefined) => (state ? microUsdPerHour(provider, state) : 0);
  const edges = [
    ...spans.flatMap(({ fromMs, toMs }) => [fromMs, toMs]),
    ...known.flatMap(({ afterMs, seenAtMs }) => [afterMs, seenAtMs]),
    endMs,
  ];
  const times = [...new Set(edges)].filter((atMs) => atMs <= endMs).sort((a, b) => a - b);
  let microUsd = 0;
  let longestMs = 0;
  let apartMs = 0;
  for (const [index, toMs] of times.entries()) {
    const fromMs = times[index - 1];
    if (fromMs === undefined) continue;
    const meter = rate(spans.find((span) => span.fromMs <= fromMs && toMs <= span.toMs)?.state);
    const gap = Math.max(...possibleAt(known, fromMs).map((state) => Math.abs(rate(state) - meter)));
    microUsd += (gap * (toMs - fromMs)) / HOUR_MS;
    apartMs = gap > 0 ? apartMs + toMs - fromMs : 0;
    longestMs = Math.max(longestMs, apartMs);
  }
  return { microUsd, longestMs };
}

/** The state that the ledger had, and those that it may have come to since a look. */
function possibleAt(known: readonly KnownChange[], atMs: number): readonly (BillingState | undefined)[] {
  const before = known.findLast(({ seenAtMs }) => seenAtMs <= atMs)?.state;
  const coming = known.filter(({ afterMs, seenAtMs }) => afterMs <= atMs && atMs < seenAtMs);
  return [before, ...coming.map(({ state }) => state)];
}
