import type { Child } from 'hono/jsx';
import type { MonthView } from '../costs/costs-view.ts';
import { money, percent, rate } from './money.ts';

/** The five numbers that somebody comes for. */
export function CostHeadline({ month }: { readonly month: MonthView }) {
  const { spentMicroUsd, forecast, perHourMicroUsd, onMorphMicroUsd } = month;
  const { lowerMicroUsd: lower, upperMicroUsd: upper } = forecast;
  const saved = onMorphMicroUsd - spentMicroUsd;
  return (
    <dl class="tiles">
      <Tile name="This month so far" value={money(spentMicroUsd)}>
        sandboxes{month.nodes.length > 0 && ' and nodes'}
        {month.bill && `; the whole bill: ${money(month.bill.totalMicroUsd)}`}
      </Tile>
      <Tile name="By the end of the month" value={money(forecast.expectedMicroUsd)}>
        between {money(lower)} and {money(upper)}
      </Tile>
      <Tile name="Now" value={rate(perHourMicroUsd)}>
        {money(perHourMicroUsd * 24)} a day at this rate
      </Tile>
      <Tile
        name={saved < 0 ? 'More than Morph alone' : 'Saved against Morph alone'}
        value={money(Math.abs(saved))}
        tone={saved < 0 ? 'bad' : 'good'}
      >
        {saved < 0 && month.nodes.length > 0
          ? `Morph would have cost ${money(onMorphMicroUsd)}; a node costs the whole month, whatever runs on it`
          : `${percent(Math.abs(saved), onMorphMicroUsd)} of the ${money(onMorphMicroUsd)} that Morph would have cost`}
      </Tile>
    </dl>
  );
}

export function Tile(props: {
  readonly name: string;
  readonly value: string;
  readonly tone?: 'good' | 'bad';
  readonly children: Child;
}) {
  return (
    <div class={`tile ${props.tone ?? ''}`}>
      <dt>{props.name}</dt>
      <dd>
        <strong>{props.value}</strong>
        <span class="quiet below">{props.children}</span>
      </dd>
    </div>
  );
}
