import type { MonthView } from '../costs/costs-view.ts';
import { money, percent } from './money.ts';
import { Section } from './parts.tsx';

/** The same history under other policies, and what was paid for nothing. */
export function CostSavingsSection({ month }: { readonly month: MonthView }) {
  const { spentMicroUsd, onMorphMicroUsd, fallbacks, teamId } = month;
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
            <tr>
              <th scope="row">The old rule</th>
              <td class="number quiet" data-label="cost">
                not known yet
              </td>
              <td class="number quiet" data-label="saved">
                not known yet
              </td>
              <td data-label="how sure">
                One hour, then a pause, woken by any request: nobody has priced this month so.
              </td>
            </tr>
          </tbody>
        </table>
      </div>
      {fallbacks && <p>{describeFallbacks(fallbacks)}</p>}
    </Section>
  );
}

function describeFallbacks({ sandboxes, microUsd, unknown }: NonNullable<MonthView['fallbacks']>): string {
  const many = (count: number) => (count === 1 ? 'one sandbox' : `${count} sandboxes`);
  const gone = `why ${many(unknown)} ran at Morph is not known any more`;
  if (sandboxes === 0) return unknown > 0 ? `Fallbacks: ${gone}.` : 'Fallbacks cost nothing this month.';
  const rest = unknown > 0 ? `; ${gone}` : '';
  return `Fallbacks: ${many(sandboxes)} ran at Morph instead of on a node, for ${money(microUsd)}. The node is paid either way, so all of it is extra${rest}.`;
}
