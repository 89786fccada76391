/** The counterfactual `all_on_morph` for added-up usage: the same time, paused as it was, at Morph's prices. */
import type { UsageRow } from './usage.ts';

/** Morph has no nodes, and what lies on it lies with its memory. */
export function onMorph({ node: _node, ...row }: UsageRow): UsageRow {
  return {
    ...row,
    provider: 'morph',
    failureDomain: 'morph',
    state: row.state === 'stored' ? 'paused' : row.state,
  };
}
