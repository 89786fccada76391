import type { MonthView } from '../costs/costs-view.ts';
import { hours } from './money.ts';
import { Section } from './parts.tsx';

/** A sum of money is worth what its assumptions are. */
export function CostKnowledgeSection({
  month,
  simulated,
}: {
  readonly month: MonthView;
  readonly simulated: boolean;
}) {
  const { unpriced, providers, nodes, pricesAsOf, priceSources, teamId } = month;
  const simulatedNames = providers.filter((each) => each.simulated).map(({ name }) => name);
  return (
    <Section id="known" question="What is it based on?">
      <ul class="lines">
        {(simulated || simulatedNames.length > 0) && (
          <li>
            <span class="state busy">simulated</span>
            {simulatedNames.length > 0 ? simulatedNames.join(', ') : 'Every provider'}: nothing here was paid.
            The figures are what real ones would cost.
          </li>
        )}
        {unpriced.map(({ provider, node, ms }) => (
          <li>
            <span class="state bad">no price</span>
            {hours(ms)} on {node === undefined ? provider : `node ${node} (${provider})`} are in no amount:
            the price book has no price for them, so the month looks cheaper than it is.
          </li>
        ))}
        {teamId === undefined && nodes.length === 0 && unpriced.length === 0 && (
          <li>
            <span class="state calm">no node</span>
            The price book names no node. What a Proxmox node costs goes into <code>PRICE_BOOK_FILE</code>.
          </li>
        )}
        <li>
          Prices as of {pricesAsOf}.{' '}
          {priceSources.length > 0 && (
            <details id="sources">
              <summary>Their sources</summary>
              <ul>
                {priceSources.map((source) => (
                  <li>{source}</li>
                ))}
              </ul>
            </details>
          )}
        </li>
        <li>
          Every hour is of the ledger, down to the millisecond: <code>GET /v1/costs</code>, as JSON or CSV.
          The forecast lies between this month's mean and the rate of this moment.
        </li>
      </ul>
    </Section>
  );
}
