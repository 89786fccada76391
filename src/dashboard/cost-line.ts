/** What a provider costs, in one line over its queue. */
import type { ProviderName } from '../core/provider-name.ts';
import type { MonthView } from './costs/costs-view.ts';
import { money, rate } from './pages/money.ts';

/** "$0.083/h now, $12.30 this month, $80.10 less than at Morph (simulated)." */
export function describeCost({ providers, unpriced }: MonthView, provider: ProviderName): string {
  if (unpriced.some((each) => each.provider === provider)) {
    return 'Its cost is not known: the price book has no price for its node.';
  }
  const cost = providers.find((each) => each.provider === provider);
  if (cost === undefined) return 'Nothing spent this month.';
  const saved = cost.onMorphMicroUsd - cost.microUsd;
  const comparison =
    provider === 'morph' ? '' : `, ${money(Math.abs(saved))} ${saved < 0 ? 'more' : 'less'} than at Morph`;
  const simulated = cost.simulated ? ' (simulated)' : '';
  return `${rate(cost.perHourMicroUsd)} now, ${money(cost.microUsd)} this month${comparison}${simulated}.`;
}
