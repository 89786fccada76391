/**
 * A provider's bill against the ledger, day by day. The provider's parts of a day are those that begin on it, and the
 * ledger is priced over exactly their time, so that nothing has to be divided.
 */
import { DAY_MS, type Day, dayOf } from './day.ts';
import type { ProviderName } from './provider-name.ts';

/** What both said of one day. */
export interface BilledDay {
  readonly provider: ProviderName;
  readonly day: string;
  /** The time of the provider's parts: the day, but for less than one part at each end. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly billedMicroUsd: number;
  readonly ledgerMicroUsd: number;
  /** Above 0: the provider charges more than the ledger knows of. */
  readonly differenceMicroUsd: number;
  /** When the provider was asked. */
  readonly asOfMs: number;
}

/** A difference beyond both is told of. */
export interface BilledBound {
  /** Of the larger of the two amounts. */
  readonly share: number;
  readonly microUsd: number;
}

export const DEFAULT_BILLED_BOUND: BilledBound = { share: 0.05, microUsd: 1_000_000 };

export interface ChargedPart {
  readonly fromMs: number;
  readonly toMs: number;
  readonly cents: number;
}

export interface ChargedDay {
  readonly day: Day;
  readonly fromMs: number;
  readonly toMs: number;
  readonly billedMicroUsd: number;
}

const MICRO_USD_PER_CENT = 10_000;

/** The days that the parts cover from end to end, and that ended before `settledMs`: a bill lags behind. */
export function chargedDays(parts: readonly ChargedPart[], settledMs: number): readonly ChargedDay[] {
  const days = new Map<Day, ChargedPart[]>();
  for (const part of parts) {
    const day = dayOf(part.fromMs);
    days.set(day, [...(days.get(day) ?? []), part]);
  }
  return [...days].flatMap(([day, ofDay]) => {
    const fromMs = Math.min(...ofDay.map((part) => part.fromMs));
    const toMs = Math.max(...ofDay.map((part) => part.toMs));
    const longestMs = Math.max(...ofDay.map((part) => part.toMs - part.fromMs));
    const isWhole = fromMs - day * DAY_MS < longestMs && toMs >= (day + 1) * DAY_MS;
    if (!isWhole || toMs > settledMs) return [];
    const cents = ofDay.reduce((sum, part) => sum + part.cents, 0);
    return [{ day, fromMs, toMs, billedMicroUsd: Math.round(cents * MICRO_USD_PER_CENT) }];
  });
}

export function differsTooMuch(
  { billedMicroUsd, ledgerMicroUsd, differenceMicroUsd }: BilledDay,
  { share, microUsd }: BilledBound,
): boolean {
  const difference = Math.abs(differenceMicroUsd);
  return difference > microUsd && difference > share * Math.max(billedMicroUsd, ledgerMicroUsd);
}
