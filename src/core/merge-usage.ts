/** Fewer rows of usage, for the same money. */
import { type CostGroup, nameGroup, type UsageRow } from './usage.ts';

/**
 * One row for all that differ in nothing that a price depends on, nor in what costs are grouped by: of a busy day a
 * few dozen of a thousand. What they have besides is left out.
 */
export function mergeUsage(rows: readonly UsageRow[], groupBy: readonly CostGroup[]): readonly UsageRow[] {
  const merged = new Map<string, { -readonly [K in keyof UsageRow]: UsageRow[K] }>();
  for (const row of rows) {
    const { day, ms, state, size, provider, failureDomain, node } = row;
    const priced = [day, state, provider, failureDomain, node, size.vcpus, size.memoryMib, size.diskGib];
    const name = `${priced.join('|')}|${nameGroup(row, groupBy)}`;
    const known = merged.get(name);
    if (known) known.ms += ms;
    else merged.set(name, without(row, groupBy));
  }
  return [...merged.values()];
}

const OWNERS = {
  team: 'teamId',
  user: 'userId',
  preset: 'preset',
  meantFor: 'meantFor',
  sandbox: 'sandboxId',
} as const satisfies Partial<Record<CostGroup, keyof UsageRow>>;

function without(row: UsageRow, groupBy: readonly CostGroup[]): UsageRow {
  const left = { ...row } as { -readonly [K in keyof UsageRow]: UsageRow[K] };
  for (const group of Object.keys(OWNERS) as (keyof typeof OWNERS)[]) {
    if (!groupBy.includes(group)) delete left[OWNERS[group]];
  }
  return left;
}
