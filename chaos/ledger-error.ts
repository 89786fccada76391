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
  /** The longest stretch in which the ledger was apart from one guest. */
  readonly longestDelayMs: number;
  /** Where the error is above the bound: the sandboxes that are worst. */
  readonly findings: readonly Finding[];
  /** Guests that the ledger was apart from for longer than is explained by looking for changes, and in what. */
  readonly delays: readonly Finding[];
}

/**
 * A disagreement that lasts widens the bound that it is measured by, so it has a limit of its own. Longer than a
 * change is promised to be noticed within, by as much as chaos itself holds a sweep up: a pass whose reads are lost,
 * one whose worker died, and the provider or Redis away.
 */
export const LONGEST_DELAY_MS = 180_000;

const HOUR_MS = 3_600_000;
const WORST = 5;

export function judgeLedger(evidence: LedgerEvidence): LedgerVerdict {
  const { guests, recorded, microUsdPerHour } = evidence;
  const sums = new Map<string, { ledger: number; meter: number; bound: number }>();
  const sumOf = (sandboxId: string, provider: ProviderName) => {
    const name = `${sandboxId} on ${provider}`;
    const known = sums.get(name) ?? { ledger: 0, meter: 0, bound: 0 };
    sums.set(name, known);
    return known;
  };
  for (const { sandboxId, provider, state, ms } of recorded) {
    sumOf(sandboxId, provider).ledger += (ms * microUsdPerHour(provider, state)) / HOUR_MS;
  }
  const stretches: (Stretch & { readonly guestId: string })[] = [];
  for (const guest of guests) {
    const { meteredMicroUsd, boundMicroUsd, longest } = compare(guest, evidence);
    const sum = sumOf(guest.sandboxId, guest.provider);
    sum.meter += meteredMicroUsd;
    sum.bound += boundMicroUsd;
    stretches.push({ guestId: guest.guestId, ...longest });
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
    longestDelayMs: Math.max(0, ...stretches.map(({ forMs }) => forMs)),
    findings:
      errorMicroUsd <= boundMicroUsd
        ? []
        : worst.map(({ id, ledger, meter, bound }) => ({
            id,
            why: `the ledger says ${Math.round(ledger)} micro-dollars, the meter ${Math.round(meter)}, and ${Math.round(bound)} are explained by delays`,
          })),
    delays: stretches.filter(({ forMs }) => forMs > LONGEST_DELAY_MS).map(explain),
  };
}

/** A time without a break in which the ledger may have been wrong, and what it and the meter said in it. */
interface Stretch {
  readonly forMs: number;
  readonly said: ReadonlyMap<string, number>;
}

interface Comparison {
  readonly meteredMicroUsd: number;
  /** Money between what the meter showed and what the ledger may have known, over all time. */
  readonly boundMicroUsd: number;
  readonly longest: Stretch;
}

const NO_TIME: Stretch = { forMs: 0, said: new Map() };

function compare(
  { guestId, provider, known }: BilledGuest,
  { metered, endMs, microUsdPerHour }: LedgerEvidence,
): Comparison {
  const rate = (state: BillingState | undefined) => (state ? microUsdPerHour(provider, state) : 0);
  const spans = metered.filter((span) => span.guest === guestId);
  const edges = [
    ...spans.flatMap(({ fromMs, toMs }) => [fromMs, toMs]),
    ...known.flatMap(({ afterMs, seenAtMs }) => [afterMs, seenAtMs]),
    endMs,
  ];
  const times = [...new Set(edges)].filter((atMs) => atMs <= endMs).sort((a, b) => a - b);
  let meteredMicroUsd = 0;
  let boundMicroUsd = 0;
  let stretch = NO_TIME;
  let longest = NO_TIME;
  for (const [index, toMs] of times.entries()) {
    const fromMs = times[index - 1];
    if (fromMs === undefined) continue;
    const [before, ...coming] = possibleAt(known, fromMs);
    const meter = spans.find((span) => span.fromMs <= fromMs && toMs <= span.toMs)?.state;
    const trueRate = rate(meter && before && BY_CONVENTION.has(before) ? before : meter);
    const gap = Math.max(...[before, ...coming].map((state) => Math.abs(rate(state) - trueRate)));
    const forMs = toMs - fromMs;
    meteredMicroUsd += (trueRate * forMs) / HOUR_MS;
    boundMicroUsd += (gap * forMs) / HOUR_MS;
    stretch = gap === 0 ? NO_TIME : lengthen(stretch, forMs, [before, ...coming], meter);
    if (stretch.forMs > longest.forMs) longest = stretch;
  }
  return { meteredMicroUsd, boundMicroUsd, longest };
}

/**
 * They cost as if they ran for as long as they are there, whatever they do (`BILLING_STATES`): only that they are there
 * can be wrong.
 */
const BY_CONVENTION: ReadonlySet<BillingState> = new Set(['condemned', 'unowned']);

function lengthen(
  { forMs, said }: Stretch,
  byMs: number,
  believed: readonly (BillingState | undefined)[],
  meter: MeteredSpan['state'] | undefined,
): Stretch {
  const what = `${believed.map((state) => state ?? 'nothing').join(' or ')}, metered as ${meter ?? 'nothing'}`;
  return { forMs: forMs + byMs, said: new Map(said).set(what, (said.get(what) ?? 0) + byMs) };
}

function explain({ guestId, forMs, said }: Stretch & { readonly guestId: string }): Finding {
  const parts = [...said].map(([what, ms]) => `${Math.round(ms)} ms as ${what}`);
  return {
    id: guestId,
    why: `was in the ledger for ${Math.round(forMs)} ms at a stretch as what it was not: ${parts.join('; ')}`,
  };
}

/** The state that the ledger had, and those that it may have come to since a look. */
function possibleAt(
  known: readonly KnownChange[],
  atMs: number,
): readonly [BillingState | undefined, ...(BillingState | undefined)[]] {
  const before = known.findLast(({ seenAtMs }) => seenAtMs <= atMs)?.state;
  const coming = known.filter(({ afterMs, seenAtMs }) => afterMs <= atMs && atMs < seenAtMs);
  return [before, ...coming.map(({ state }) => state)];
}
