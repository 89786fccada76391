import type { Principal } from '../../core/principal.ts';
import { SANDBOX_STATES, type SandboxState } from '../../core/sandbox.ts';
import type { SandboxView } from '../../core/views.ts';
import type { FleetFilter, SandboxTable } from '../fleet/fleet-view.ts';
import { mayAct } from './layout.tsx';
import { Section, Since, StateBadge } from './parts.tsx';

interface Props {
  readonly table: SandboxTable;
  readonly principal: Principal;
  readonly atMs: number;
}

export function SandboxesSection({ table, principal, atMs }: Props) {
  const acts = mayAct(principal);
  return (
    <Section id="sandboxes" question="What runs, and for how long?" note={describeTotal(table)}>
      {table.total > 0 && <Filters table={table} />}
      {table.rows.length === 0 ? (
        <p class="fine">{table.total === 0 ? 'There is no sandbox.' : 'None in this state.'}</p>
      ) : (
        <table class="cards">
          <caption class="unseen">Sandboxes, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Sandbox</th>
              <th scope="col">State</th>
              <th scope="col">Since</th>
              <th scope="col">Provider</th>
              <th scope="col">Preset</th>
              <th scope="col">Team</th>
              <th scope="col">Endpoints</th>
              {acts && (
                <th scope="col" class="acts">
                  Actions
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((sandbox) => (
              <Row sandbox={sandbox} acts={acts} atMs={atMs} />
            ))}
          </tbody>
        </table>
      )}
      {table.pages > 1 && <Pages table={table} />}
    </Section>
  );
}

function describeTotal({ total, truncated }: SandboxTable): string | undefined {
  if (total === 0) return undefined;
  return truncated ? `the newest ${total}; the API lists the rest` : `${total} in all`;
}

function Filters({ table }: { readonly table: SandboxTable }) {
  const { state: chosen } = table.filter;
  const present = SANDBOX_STATES.filter((state) => table.counts[state] !== undefined);
  return (
    <nav class="filters" aria-label="Filter by state">
      <FilterLink label="all" count={table.total} href="/" current={chosen === undefined} />
      {present.map((state) => (
        <FilterLink
          label={state}
          count={table.counts[state] ?? 0}
          href={pathOf({ state, page: 1 })}
          current={chosen === state}
        />
      ))}
    </nav>
  );
}

function FilterLink(props: {
  readonly label: string;
  readonly count: number;
  readonly href: string;
  readonly current: boolean;
}) {
  return (
    <a href={`${props.href}#sandboxes`} aria-current={props.current ? 'true' : undefined}>
      {props.label} <span class="count">{props.count}</span>
    </a>
  );
}

function Pages({ table }: { readonly table: SandboxTable }) {
  const { page } = table.filter;
  return (
    <nav class="pages" aria-label="Pages of sandboxes">
      {page > 1 && <a href={`${pathOf({ ...table.filter, page: page - 1 })}#sandboxes`}>← newer</a>}
      <span>
        page {page} of {table.pages}
      </span>
      {page < table.pages && <a href={`${pathOf({ ...table.filter, page: page + 1 })}#sandboxes`}>older →</a>}
    </nav>
  );
}

function pathOf({ state, page }: FleetFilter): string {
  const query = new URLSearchParams({ ...(state && { state }), ...(page > 1 && { page: String(page) }) });
  return query.size === 0 ? '/' : `/?${query}`;
}

interface RowProps {
  readonly sandbox: SandboxView;
  readonly acts: boolean;
  readonly atMs: number;
}

/** Cells carry their column's name: on a phone a row becomes a card. */
function Row({ sandbox, acts, atMs }: RowProps) {
  const { id, state, taskRunId, preset, teamId } = sandbox;
  return (
    <tr>
      <th scope="row">
        <span class="id">{id}</span>
        {taskRunId && <span class="quiet below">{taskRunId}</span>}
      </th>
      <td data-label="State">
        <StateBadge state={state} />
        {state === 'paused' && <span class="quiet below">{memoryNote(sandbox)}</span>}
      </td>
      <td data-label="Since">
        <Since ms={sandbox.updatedAtMs} atMs={atMs} />
      </td>
      <td data-label="Provider">
        <ProviderCell sandbox={sandbox} />
      </td>
      <td data-label="Preset">{preset ?? <None what="own sources" />}</td>
      <td data-label="Team">{teamId ?? <None what="none" />}</td>
      <td data-label="Endpoints">
        <Endpoints sandbox={sandbox} />
      </td>
      {acts && (
        <td data-label="Actions">
          <Actions sandbox={sandbox} />
        </td>
      )}
    </tr>
  );
}

function memoryNote({ preservesRam }: SandboxView): string {
  return preservesRam ? 'memory kept' : 'disk only';
}

function ProviderCell({ sandbox: { provider, guestId, fellBackFrom } }: { readonly sandbox: SandboxView }) {
  if (provider === undefined) return <None what="not placed yet" />;
  return (
    <>
      {provider}
      {fellBackFrom.length > 0 && (
        <a class="fallback" href="#fallbacks">
          fell back
        </a>
      )}
      <span class="quiet below id">{guestId}</span>
    </>
  );
}

function None({ what }: { readonly what: string }) {
  return <span class="quiet">{what}</span>;
}

/** Links only where something listens: a click on a paused sandbox would wake it. */
function Endpoints({ sandbox: { endpoints, state } }: { readonly sandbox: SandboxView }) {
  const entries = Object.entries(endpoints).filter(([, url]) => /^https?:/.test(url));
  if (state !== 'running' || entries.length === 0) return <None what="none" />;
  return (
    <span class="endpoints">
      {entries.map(([name, url]) => (
        <a href={url} target="_blank" rel="noreferrer">
          {name}
        </a>
      ))}
    </span>
  );
}

type Action = 'pause' | 'resume' | 'destroy';

/** What is worth offering; the API has the last word. */
const ACTIONS: Partial<Record<SandboxState, readonly Action[]>> = {
  requested: ['destroy'],
  starting: ['destroy'],
  running: ['pause', 'destroy'],
  pausing: ['destroy'],
  paused: ['resume', 'destroy'],
  resuming: ['destroy'],
  stuck: ['destroy'],
};

function Actions({ sandbox: { id, state } }: { readonly sandbox: SandboxView }) {
  return (
    <span class="actions needs-js">
      {(ACTIONS[state] ?? []).map((action) => (
        <button
          type="button"
          id={`${action}-${id}`}
          class={action === 'destroy' ? 'danger' : undefined}
          data-action={action}
          data-sandbox={id}
          aria-label={`${action} ${id}`}
        >
          {action}
        </button>
      ))}
    </span>
  );
}
