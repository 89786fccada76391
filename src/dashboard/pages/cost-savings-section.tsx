import type { CounterfactualName } from '../../core/counterfactual.ts';
import type { MonthView } from '../costs/costs-view.ts';
import { hours, money, percent } from './money.ts';
import { Section } from './parts.tsx';

/** The same history under other policies, and what was paid for nothing. */
export function CostSavingsSection({ month }: { readonly month: MonthView }) {
  const { spentMicroUsd, onMorphMicroUsd, fallbacks, savings, teamId } = month;
  const saved = onMorphMicroUsd - spentMicroUsd;
  return (
    <Section id="saved" question="What did it save?" note="The same sandboxes, priced another way.">
      <div class="scrolls">
        <table class="cards">
          <thead>
            <tr>
              <th scope="col">Against</th>
              <th scope="col" class="number">
                it would have cost
              </th>
              <th scope="col" class="number">
                saved
              </th>
              <th scope="col">how sure</th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">Morph alone</th>
              <td class="number" data-label="cost">
                {money(onMorphMicroUsd)}
              </td>
              <td class="number" data-label="saved">
                {money(saved)} ({percent(saved, onMorphMicroUsd)})
              </td>
              <td data-label="how sure">
                Exact: the same hours and the same pauses at Morph's published prices
                {teamId === undefined ? '; the nodes count in full, idle hours too.' : '.'}
              </td>
            </tr>
            {OTHER_POLICIES.map((policy) => (
              <Policy policy={policy} savings={savings} />
            ))}
          </tbody>
        </table>
      </div>
      {fallbacks && <p>{describeFallbacks(fallbacks)}</p>}
    </Section>
  );
}

interface OtherPolicy {
  readonly name: CounterfactualName;
  readonly title: string;
  readonly howSure: string;
}

const OTHER_POLICIES: readonly OtherPolicy[] = [
  {
    name: 'old_rule',
    title: 'The old rule on Morph',
    howSure:
      'An hour, then a pause; any request wakes it; at 21:00 UTC what is old is paused. Between no request but the use that was, and a tab that is open all along.',
  },
  {
    name: 'no_idle_suspend',
    title: 'Nothing suspended when idle',
    howSure: 'Between every pause having been a caller’s own, and every one a sweep’s.',
  },
];

function Policy({
  policy: { name, title, howSure },
  savings,
}: {
  readonly policy: OtherPolicy;
  readonly savings: MonthView['savings'];
}) {
  if (savings === undefined) {
    return (
      <tr>
        <th scope="row">{title}</th>
        <td class="number quiet" data-label="cost">
          not known
        </td>
        <td class="number quiet" data-label="saved">
          not known
        </td>
        <td data-label="how sure">The sweep compare-costs has not priced this month so.</td>
      </tr>
    );
  }
  const { lowerMicroUsd, upperMicroUsd } = savings.under[name];
  const saved = [lowerMicroUsd, upperMicroUsd].map((each) => each - savings.actualMicroUsd) as [
    number,
    number,
  ];
  return (
    <tr>
      <th scope="row">{title}</th>
      <td class="number" data-label="cost">
        {range(lowerMicroUsd, upperMicroUsd)}
      </td>
      <td class="number" data-label="saved">
        {range(...saved)}
      </td>
      <td data-label="how sure">
        {howSure}{' '}
        <span class="quiet">As of {new Date(savings.comparedAtMs).toISOString().slice(11, 16)} UTC.</span>
      </td>
    </tr>
  );
}

function range(lower: number, upper: number): string {
  return money(lower) === money(upper) ? money(lower) : `${money(lower)} to ${money(upper)}`;
}

function describeFallbacks({ microUsd, runningMs }: NonNullable<MonthView['fallbacks']>): string {
  if (microUsd === 0) return 'Fallbacks cost nothing this month.';
  return `Fallbacks: ${hours(runningMs)} ran at Morph that were meant for a node, for ${money(microUsd)}. The node is paid either way, so all of it is extra.`;
}
