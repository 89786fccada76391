/**
 * What fallbacks cost on top: guests at Morph whose start was meant for a node. The node is paid whether they run on
 * it or not, so all of what Morph takes for them is extra.
 */
import { holdsMemory, PRICED_BY } from './price-book.ts';
import type { ProviderName } from './provider-name.ts';
import { type CostLine, timeIn } from './usage.ts';

export interface FallbackCost {
  readonly microUsd: number;
  /** Time that they ran at Morph. */
  readonly runningMs: number;
}

/** @param lines by provider and by what was meant, all of them; by more than that if need be */
export function fallbackCost(lines: readonly CostLine[]): FallbackCost {
  const extra = lines.filter(
    ({ kind, group }) =>
      kind === 'allocated' && pricedBy(group.provider) === 'mcu' && pricedBy(group.meantFor) === 'node',
  );
  return {
    microUsd: extra.reduce((total, { microUsd }) => total + microUsd, 0),
    runningMs: extra.reduce((total, { ms }) => total + timeIn(ms, holdsMemory), 0),
  };
}

function pricedBy(name: string | undefined): 'mcu' | 'node' | undefined {
  return PRICED_BY[name as ProviderName];
}
