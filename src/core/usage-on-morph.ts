/** The counterfactual `all_on_morph`: the same time, paused as it was, at Morph's prices. */
import type { BillingState } from './price-book.ts';
import type { ProviderName } from './provider-name.ts';
import type { UsageRow } from './usage.ts';

/** For added-up usage. */
export function onMorph(row: UsageRow): UsageRow {
  return { ...placedOnMorph(row), state: stateOnMorph(row.state) };
}

/** Morph has no nodes. */
export function placedOnMorph<T extends { readonly provider: ProviderName; readonly node?: string }>({
  node: _node,
  ...rest
}: T) {
  return { ...rest, provider: 'morph', failureDomain: 'morph' } as const;
}

/** What lies on Morph lies with its memory. */
export function stateOnMorph(state: BillingState): BillingState {
  return state === 'stored' ? 'paused' : state;
}
