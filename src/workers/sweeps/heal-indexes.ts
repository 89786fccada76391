/** Repairs indexes from records, a bounded piece at a time; see `store/healing.ts`. */
import { HEALED_INDEXES } from '../../core/measures.ts';
import type { SweepCounts } from '../../core/sweep.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

/** A repair means that something went wrong elsewhere, so each piece that repaired any is told of. */
export async function healIndexes(
  { store, log, nowMs }: SweepDeps,
  { dryRun }: SweepRunOptions,
): Promise<SweepCounts> {
  const { looked, healed } = await store.healing.healNext({ dryRun, nowMs: nowMs() });
  if (healed.size > 0 && !dryRun) {
    log.warn({ repairs: Object.fromEntries(healed) }, 'indexes did not agree with their records');
  }
  const repairs = Object.fromEntries(HEALED_INDEXES.map((index) => [index, healed.get(index) ?? 0]));
  return { looked, ...repairs };
}
