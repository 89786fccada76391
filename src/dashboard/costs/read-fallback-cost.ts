/**
 * What fallbacks cost on top: of the sandboxes that ran at Morph this month, those whose start had been meant for
 * a node. The node is paid whether they run on it or not, so all of what Morph takes for them is extra.
 */
import { RAW_DAYS } from '../../core/costs.ts';
import { DAY_MS, dayOf, monthStartMs } from '../../core/day.ts';
import { PRICED_BY } from '../../core/price-book.ts';
import { priceUsage } from '../../core/usage-cost.ts';
import type { Store } from '../../store/store.ts';
import type { FallbackCost } from './costs-view.ts';

/** The dearest; reading them takes some tenths of a second. */
const MAX_SANDBOXES = 2_000;
/** Records in one go, so that others get their turn. */
const BATCH = 200;

export async function readFallbackCost(
  store: Pick<Store, 'ledger' | 'costs' | 'reading'>,
  nowMs: number,
): Promise<FallbackCost> {
  const fromMs = Math.max(monthStartMs(nowMs), (dayOf(nowMs) - RAW_DAYS + 1) * DAY_MS);
  const time = { fromMs, toMs: nowMs };
  const [book, rows] = await Promise.all([
    store.costs.prices(),
    store.ledger.usage({ ...time, nowMs, bySandbox: true }),
  ]);
  const metered = rows.filter(({ provider }) => PRICED_BY[provider] === 'mcu');
  const { lines } = priceUsage(book, metered, { ...time, groupBy: ['sandbox'], withNodes: false });
  const dearest = lines.slice(0, MAX_SANDBOXES);
  let sandboxes = 0;
  let microUsd = 0;
  let unknown = lines.length - dearest.length;
  for (let from = 0; from < dearest.length; from += BATCH) {
    const batch = dearest.slice(from, from + BATCH);
    const records = await Promise.all(batch.map(({ group }) => store.reading.sandbox(group.sandbox ?? '')));
    for (const [index, record] of records.entries()) {
      if (record === undefined) unknown += 1;
      else if ((record.fellBackFrom ?? []).some((provider) => PRICED_BY[provider] === 'node')) {
        sandboxes += 1;
        microUsd += batch[index]?.microUsd ?? 0;
      }
    }
  }
  return { sandboxes, microUsd, unknown };
}
