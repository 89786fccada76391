/** Repairs indexes from records, a bounded piece at a time; see `store/healing.ts`. */
import { HEALED_INDEXES } from '../../core/measures.ts';
import type { SweepCounts } from '../../core/sweep.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

/** A repair means that something went wrong elsewhere, so each piece that repaired any is told of. */
export async function healIndexes(
  { store, log, nowMs, providers }: SweepDeps,
  { dryRun }: SweepRunOptions,
): Promise<SweepCounts> {
  const { looked, healed: found, endsRound } = await store.healing.healNext({ dryRun, nowMs: nowMs() });
  const healed = new Map(found);
  const domains = endsRound && !dryRun ? new Set(providers.map(({ failureDomain }) => failureDomain)) : [];
  for (const domain of domains) {
    const reclaimed = await store.healing.reclaimVmids(domain);
    if (reclaimed > 0) healed.set('vmids', (healed.get('vmids') ?? 0) + reclaimed);
  }
  if (healed.size > 0 && !dryRun) {
    log.warn({ repairs: Object.fromEntries(healed) }, 'indexes did not agree with their records');
  }
  const repairs = Object.fromEntries(HEALED_INDEXES.map((index) => [index, healed.get(index) ?? 0]));
  return { looked, ...repairs };
}
