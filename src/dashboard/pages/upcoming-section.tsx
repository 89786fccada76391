import type { SweepSchedule, SweepView } from '../../core/sweep.ts';
import type { FleetView, ProviderCard, WaitingOperation } from '../fleet/fleet-view.ts';
import { AutomationArticle } from './automation-article.tsx';
import { duration, interval } from './format.ts';
import { IdleArticle } from './idle-article.tsx';
import { Ago, Section } from './parts.tsx';

type Props = Pick<FleetView, 'providers' | 'waiting' | 'sweeps' | 'automation' | 'idle' | 'atMs'>;

export function UpcomingSection({ providers, waiting, sweeps, automation, idle, atMs }: Props) {
  return (
    <Section id="upcoming" question="What happens next?">
      <div class="grid">
        <Queues providers={providers} />
        <Operations waiting={waiting} atMs={atMs} />
        <Sweeps sweeps={sweeps} atMs={atMs} />
        <IdleArticle idle={idle} atMs={atMs} />
        {automation && <AutomationArticle automation={automation} />}
      </div>
    </Section>
  );
}

function Queues({ providers }: { readonly providers: readonly ProviderCard[] }) {
  return (
    <article aria-labelledby="queues-title">
      <h3 id="queues-title">Queues</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">Provider</th>
            <th scope="col" class="number">
              Waiting
            </th>
            <th scope="col" class="number">
              Active
            </th>
            <th scope="col" class="number">
              Later
            </th>
          </tr>
        </thead>
        <tbody>
          {providers.map(({ name, queue }) => (
            <tr>
              <th scope="row">{name}</th>
              <td class="number">{queue.waiting}</td>
              <td class="number">{queue.active}</td>
              <td class="number">{queue.delayed}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </article>
  );
}

function Operations({ waiting, atMs }: { readonly waiting: FleetView['waiting']; readonly atMs: number }) {
  return (
    <article aria-labelledby="operations-title">
      <h3 id="operations-title">Operations under way</h3>
      {waiting.shown.length === 0 ? (
        <p class="quiet">None.</p>
      ) : (
        <ul class="lines">
          {waiting.shown.map((operation) => (
            <OperationLine operation={operation} atMs={atMs} />
          ))}
          {waiting.more && <li class="quiet">and more</li>}
        </ul>
      )}
    </article>
  );
}

function OperationLine({ operation, atMs }: { readonly operation: WaitingOperation; readonly atMs: number }) {
  const { kind, sandboxId, state, provider, createdAtMs } = operation;
  return (
    <li>
      {kind} <span class="id">{sandboxId}</span>
      <span class="quiet below">
        {state === 'queued' ? 'waits' : 'runs'}
        {provider && ` on ${provider}`}, asked for <Ago ms={createdAtMs} atMs={atMs} />
      </span>
    </li>
  );
}

function Sweeps({ sweeps, atMs }: { readonly sweeps: readonly SweepView[]; readonly atMs: number }) {
  return (
    <article aria-labelledby="sweeps-title">
      <h3 id="sweeps-title">Sweeps</h3>
      <ul class="lines">
        {sweeps.map((sweep) => (
          <li>
            {sweep.name}
            <span class="quiet"> {whenNext(sweep, atMs)}</span>
            <span class="quiet below">{sweep.description}</span>
          </li>
        ))}
      </ul>
    </article>
  );
}

function whenNext({ paused, nextAtMs, schedule }: SweepView, atMs: number): string {
  if (paused) return `is paused by ${paused.by} for ${duration(Math.max(1_000, atMs - paused.sinceMs))}`;
  if (nextAtMs === undefined) return 'has no schedule: no process runs it';
  return `in ${duration(Math.max(1_000, nextAtMs - atMs))}, ${howOften(schedule)}`;
}

function howOften(schedule: SweepSchedule): string {
  return 'everyMs' in schedule
    ? `every ${interval(schedule.everyMs)}`
    : `${schedule.cron} (${schedule.timeZone})`;
}
