/** What is being spent at an instant: the rates of everything that is open. */
import { dayOf } from './day.ts';
import { add, type Exact, scale, toMicroUsd, ZERO } from './exact.ts';
import { type OpenInterval, ratePerMs } from './ledger.ts';
import { HOUR_MS, type PriceBook } from './price-book.ts';
import { PROVIDER_NAMES, type ProviderName } from './provider-name.ts';

export type CostRates = Readonly<Record<ProviderName, number>>;

/** Micro-dollars per hour. What the book has no price for adds nothing, as in every other amount. */
export function ratesPerHour(book: PriceBook, open: readonly OpenInterval[], nowMs: number): CostRates {
  const perMs = new Map<ProviderName, Exact>();
  for (const { account, state } of open) {
    const rate = ratePerMs(book, account, state, dayOf(nowMs)) ?? ZERO;
    perMs.set(account.provider, add(perMs.get(account.provider) ?? ZERO, rate));
  }
  return Object.fromEntries(
    PROVIDER_NAMES.map((name) => [name, toMicroUsd(scale(perMs.get(name) ?? ZERO, HOUR_MS))]),
  ) as Record<ProviderName, number>;
}
