/**
 * Holds what sandboxes cost, day by day, against what the same history would have cost under other policies. Today and
 * yesterday are computed again each time, for entries come late; what no run saw yet is made up for, as far back as
 * intervals are kept.
 */
import { type Day, dayOf, dayText } from '../../core/day.ts';
import { createComparison } from '../../core/savings.ts';
import { RAW_RETENTION_MS } from '../../store/ledger.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

export type CompareCounts = Record<'looked' | 'compared', number>;

export async function compareCosts(
  { store, nowMs }: Pick<SweepDeps, 'store' | 'nowMs'>,
  { dryRun, signal }: SweepRunOptions,
): Promise<CompareCounts> {
  const now = nowMs();
  const today = dayOf(now);
  const fromDay = dayOf(now - RAW_RETENTION_MS) + 1;
  const days = daysToCompare(await store.savings.lastDay(), fromDay, today);
  const comparison = createComparison(new Set(days));
  let looked = 0;
  for await (const history of store.histories.histories({ days, fromDay, nowMs: now, signal })) {
    comparison.add(history);
    looked += 1;
  }
  // Half of the sandboxes would look like savings.
  if (dryRun || signal.aborted) return { looked, compared: 0 };
  const book = await store.costs.prices();
  await store.savings.write(
    days.map((day) => ({ day: dayText(day), ...comparison.priceDay(book, day, now) })),
    now,
  );
  return { looked, compared: days.length };
}

function daysToCompare(last: Day | undefined, fromDay: Day, today: Day): readonly Day[] {
  const first = Math.max(fromDay, Math.min(last ?? fromDay, today - 1));
  return Array.from({ length: today - first + 1 }, (_, index) => first + index);
}
