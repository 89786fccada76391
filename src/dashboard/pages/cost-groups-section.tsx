import type { GroupCost, MonthView } from '../costs/costs-view.ts';
import { hours, money, percent, rate } from './money.ts';
import { Bar, Section } from './parts.tsx';

/** What is read at a glance; `GET /v1/costs` has the rest. */
const MAX_ROWS = 10;

export function CostGroupsSection({ month }: { readonly month: MonthView }) {
  const { providers, teams, presets, nodes, teamId } = month;
  const notes = new Map(
    providers.filter(({ simulated }) => simulated).map(({ name }) => [name, 'simulated']),
  );
  const note =
    nodes.length === 0
      ? undefined
      : 'Guests of a node share its cost by their memory; what is left is below.';
  return (
    <Section id="where" question="Where does it go?" note={note}>
      {providers.length === 0 ? (
        <p class="fine">No sandbox has cost anything this month.</p>
      ) : (
        <div class="stack">
          <Groups by="Provider" groups={providers} notes={notes} />
          {teamId === undefined && <Groups by="Team" groups={teams} />}
          <Groups by="Preset" groups={presets} />
        </div>
      )}
    </Section>
  );
}

function Groups({
  by,
  groups,
  notes,
}: {
  readonly by: string;
  readonly groups: readonly GroupCost[];
  readonly notes?: ReadonlyMap<string, string>;
}) {
  const total = groups.reduce((sum, { microUsd }) => sum + microUsd, 0);
  const rest = groups.slice(MAX_ROWS);
  return (
    <div class="scrolls">
      <table class="cards groups">
        <caption>By {by.toLowerCase()}</caption>
        <thead>
          <tr>
            <th scope="col">{by}</th>
            <th scope="col" class="number">
              this month
            </th>
            <th scope="col" class="share">
              share
            </th>
            <th scope="col" class="number">
              now
            </th>
            <th scope="col" class="number">
              running
            </th>
            <th scope="col" class="number">
              paused
            </th>
          </tr>
        </thead>
        <tbody>
          {groups.slice(0, MAX_ROWS).map((group) => (
            <Group group={group} total={total} note={notes?.get(group.name)} />
          ))}
        </tbody>
      </table>
      {rest.length > 0 && (
        <p class="quiet">
          And {rest.length} more, {money(rest.reduce((sum, { microUsd }) => sum + microUsd, 0))} together: see{' '}
          <code>GET /v1/costs?groupBy={by.toLowerCase()}</code>.
        </p>
      )}
    </div>
  );
}

function Group({
  group,
  total,
  note,
}: {
  readonly group: GroupCost;
  readonly total: number;
  readonly note: string | undefined;
}) {
  const { name, microUsd, perHourMicroUsd, runningMs, pausedMs } = group;
  const share = percent(microUsd, total);
  return (
    <tr>
      <th scope="row">
        {name}
        {note && <span class="quiet"> {note}</span>}
      </th>
      <td class="number" data-label="this month">
        {money(microUsd)}
      </td>
      <td class="share" data-label="share">
        <span class="amount">{share}</span>
        <Bar used={microUsd} total={total} isFull={false} label={`${name}: ${share}`} />
      </td>
      <td class="number" data-label="now">
        {rate(perHourMicroUsd)}
      </td>
      <td class="number" data-label="running">
        {hours(runningMs)}
      </td>
      <td class="number" data-label="paused">
        {hours(pausedMs)}
      </td>
    </tr>
  );
}
