/** What a millisecond of each row of usage costs. */
import { type Exact, scale } from './exact.ts';
import { ratePerMs } from './ledger.ts';
import type { NodeLoads } from './node-cost.ts';
import { nodePriceOn, PRICED_BY, type PriceBook } from './price-book.ts';
import type { UsageRow } from './usage.ts';

/** Rows of tables that are kept in memory come again with every question; making their names took most of it. */
const rateNames = new WeakMap<UsageRow, string>();

/** The same object for the same rate, so that a guest's time at one price adds up over states and days. */
export function internRates(book: PriceBook, loads: NodeLoads): (row: UsageRow) => Exact | undefined {
  const byName = new Map<string, Exact | undefined>();
  const byValue = new Map<string, Exact>();
  return (row) => {
    let name = rateNames.get(row);
    if (name === undefined) {
      name = nameRate(row);
      rateNames.set(row, name);
    }
    const found = byName.get(name);
    if (found !== undefined || byName.has(name)) return found;
    const rate = rateOf(book, row, loads);
    const value = rate && `${rate.numerator}/${rate.denominator}`;
    const known = rate && value !== undefined ? (byValue.get(value) ?? rate) : undefined;
    if (known && value !== undefined) byValue.set(value, known);
    byName.set(name, known);
    return known;
  };
}

function nameRate({ provider, failureDomain, node, size, state, day }: UsageRow): string {
  const what = `${provider}|${size.vcpus}|${size.memoryMib}|${size.diskGib}|${state}|${day}`;
  return node === undefined ? what : `${what}|${failureDomain}|${node}`;
}

function rateOf(book: PriceBook, row: UsageRow, loads: NodeLoads): Exact | undefined {
  const rate = ratePerMs(book, row, row.state, row.day);
  const price = nodePriceOn(book, row.day, row.node, row.failureDomain);
  if (PRICED_BY[row.provider] !== 'node' || rate === undefined || price === undefined) return rate;
  const load = loads.of(price, row.day);
  const capacity = loads.capacityOf(price, row.day);
  return load > capacity ? scale(rate, BigInt(capacity), BigInt(load)) : rate;
}
