import { PROVIDER_NAMES } from '../../core/provider-name.ts';
import type { DayCost, MonthView } from '../costs/costs-view.ts';
import { money } from './money.ts';
import { Section } from './parts.tsx';

/**
 * Two charts of one table. The script draws what the table's cells say (`data-usd`), so there is one source of the
 * figures, and whoever cannot see a chart reads the same ones.
 */
export function CostMonthSection({ month }: { readonly month: MonthView }) {
  const { days, forecast } = month;
  const providers = PROVIDER_NAMES.filter((name) => days.some(({ byProvider }) => byProvider[name]));
  const hasRest = days.some(({ restOfNodes }) => restOfNodes > 0);
  const { lowerMicroUsd: lower, upperMicroUsd: upper } = forecast;
  return (
    <Section id="month" question="How does the month go?">
      <div class="charts needs-js">
        <figure>
          <figcaption>Since the first, against the same sandboxes on Morph alone</figcaption>
          <div
            class="chart"
            role="img"
            aria-label={sumUp(month)}
            data-chart="so-far"
            data-table="days"
            data-now={month.atMs}
            data-month-end={month.toMs}
            data-expected={usd(forecast.expectedMicroUsd)}
            data-lower={usd(lower)}
            data-upper={usd(upper)}
          />
        </figure>
        <figure>
          <figcaption>Each day</figcaption>
          <div
            class="chart"
            role="img"
            aria-label={`What each day cost; the dearest ${money(Math.max(0, ...days.map(({ total }) => total)))}.`}
            data-chart="by-day"
            data-table="days"
            data-month-end={month.toMs}
          />
        </figure>
      </div>
      <p>{sumUp(month)}</p>
      <details id="days-details">
        <summary id="days-summary">Each day as a table</summary>
        <div class="scrolls">
          <table id="days">
            <thead>
              <tr>
                <th scope="col">Day</th>
                {providers.map((name) => (
                  <th scope="col" class="number" data-series={name}>
                    {name}
                  </th>
                ))}
                {hasRest && (
                  <th scope="col" class="number" data-series="nodes">
                    rest of the nodes
                  </th>
                )}
                <th scope="col" class="number">
                  day
                </th>
                <th scope="col" class="number" data-series="so-far">
                  so far
                </th>
                <th scope="col" class="number" data-series="morph-alone">
                  Morph alone so far
                </th>
              </tr>
            </thead>
            <tbody>
              {days.map((day) => (
                <Day day={day} providers={providers} hasRest={hasRest} />
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </Section>
  );
}

function Day({
  day,
  providers,
  hasRest,
}: {
  readonly day: DayCost;
  readonly providers: readonly (typeof PROVIDER_NAMES)[number][];
  readonly hasRest: boolean;
}) {
  return (
    <tr data-day={day.day}>
      <th scope="row">{day.day}</th>
      {providers.map((name) => (
        <Amount microUsd={day.byProvider[name] ?? 0} />
      ))}
      {hasRest && <Amount microUsd={day.restOfNodes} />}
      <Amount microUsd={day.total} />
      <Amount microUsd={day.totalSoFar} />
      <Amount microUsd={day.onMorphSoFar} />
    </tr>
  );
}

function Amount({ microUsd }: { readonly microUsd: number }) {
  return (
    <td class="number" data-usd={usd(microUsd)}>
      {money(microUsd)}
    </td>
  );
}

/** For the script, which draws dollars. */
function usd(microUsd: number): string {
  return (microUsd / 1_000_000).toFixed(6);
}

/** The charts in a sentence. */
function sumUp({ spentMicroUsd, onMorphMicroUsd, forecast }: MonthView): string {
  const { lowerMicroUsd: lower, upperMicroUsd: upper } = forecast;
  const end = `by its end it will have cost ${money(forecast.expectedMicroUsd)} (between ${money(lower)} and ${money(upper)})`;
  return `The month has cost ${money(spentMicroUsd)} so far; on Morph alone it would have been ${money(onMorphMicroUsd)}. If it goes on like this, ${end}.`;
}
