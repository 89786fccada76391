import type { CapacityReport } from '../../core/capacity-report.ts';
import type { ProviderCard } from '../fleet/fleet-view.ts';
import { size } from './format.ts';
import { Ago, Bar, Section } from './parts.tsx';

export function CapacitySection({
  providers,
  atMs,
}: {
  readonly providers: readonly ProviderCard[];
  readonly atMs: number;
}) {
  return (
    <Section id="capacity" question="Will it fit?">
      {providers.length === 0 ? (
        <p class="fine">No worker has announced a provider yet.</p>
      ) : (
        <div class="grid">
          {byDomain(providers).map((domain) => (
            <Domain providers={domain} atMs={atMs} />
          ))}
        </div>
      )}
    </Section>
  );
}

/** Two kinds of guests on one Proxmox share its machines: their capacity is shown once. */
function byDomain(providers: readonly ProviderCard[]): readonly (readonly ProviderCard[])[] {
  const domains = new Map<string, ProviderCard[]>();
  for (const provider of providers) {
    domains.set(provider.failureDomain, [...(domains.get(provider.failureDomain) ?? []), provider]);
  }
  return [...domains.values()];
}

function Domain({ providers, atMs }: { readonly providers: readonly ProviderCard[]; readonly atMs: number }) {
  const newestFirst = [...providers].sort((a, b) => b.publishedAtMs - a.publishedAtMs);
  const capacity = newestFirst.find((provider) => provider.capacity)?.capacity;
  return (
    <article>
      {providers.map((provider) => (
        <Provider provider={provider} atMs={atMs} />
      ))}
      {capacity === undefined ? (
        <p class="quiet">{withoutCapacity(providers)}</p>
      ) : (
        <Capacity capacity={capacity} />
      )}
    </article>
  );
}

/** Morph never publishes any: what fits there is Morph's own matter. */
function withoutCapacity(providers: readonly ProviderCard[]): string {
  return providers.every(({ name }) => name === 'morph')
    ? 'Its machines are not ours to watch: it says so itself when nothing more fits.'
    : 'Capacity: not published yet.';
}

function Provider({ provider, atMs }: { readonly provider: ProviderCard; readonly atMs: number }) {
  const { name, simulated, healthy, breaker, overCapacity } = provider;
  return (
    <div class="provider">
      <h3>
        {name}
        {simulated && <span class="quiet"> simulated</span>}
        <span class={`state ${healthy ? 'good' : 'bad'}`}>{healthy ? 'well' : 'not well'}</span>
        {breaker !== 'closed' && <span class="state bad">breaker {breaker.replace('_', ' ')}</span>}
      </h3>
      <p class="quiet">
        {provider.detail}, <Ago ms={provider.publishedAtMs} atMs={atMs} />
      </p>
      {breaker !== 'closed' && (
        <p>
          Starts go elsewhere: {provider.breakerReason}.{' '}
          {provider.breakerRetryAtMs === undefined
            ? 'A few are let through to see.'
            : `Asked again at ${new Date(provider.breakerRetryAtMs).toISOString().slice(11, 19)} UTC.`}
        </p>
      )}
      {overCapacity && <p class="full">Nothing more fits: {overCapacity}</p>}
    </div>
  );
}

function Capacity({ capacity }: { readonly capacity: CapacityReport }) {
  return (
    <dl class="capacity">
      {capacity.nodes.map((node) => (
        <Node {...node} />
      ))}
      {capacity.storages.map((storage) => (
        <Storage {...storage} />
      ))}
    </dl>
  );
}

function Node({ node, online, cordoned, memoryMib, usedMib, reservedMib }: CapacityReport['nodes'][number]) {
  const roomMib = Math.max(0, memoryMib - usedMib - reservedMib);
  const text = `${size(usedMib)} used of ${size(memoryMib)}, ${size(reservedMib)} kept free`;
  return (
    <>
      <dt>
        {node} <span class="quiet">memory</span>
        {!online && <span class="state bad">offline</span>}
        {cordoned && <span class="state calm">cordoned</span>}
      </dt>
      <dd>
        <Bar
          label={`memory of ${node}: ${text}`}
          total={memoryMib}
          used={usedMib}
          kept={reservedMib}
          isFull={roomMib < memoryMib * NEARLY_FULL}
        />
        <span class="amount">
          room for {size(roomMib)} · {text}
        </span>
      </dd>
    </>
  );
}

function Storage({ node, storage, totalMib, usedMib }: CapacityReport['storages'][number]) {
  const roomMib = Math.max(0, totalMib - usedMib);
  const text = `${size(usedMib)} used of ${size(totalMib)}`;
  return (
    <>
      <dt>
        {storage} <span class="quiet">storage on {node}</span>
      </dt>
      <dd>
        <Bar
          label={`storage ${storage} on ${node}: ${text}`}
          total={totalMib}
          used={usedMib}
          isFull={roomMib < totalMib * NEARLY_FULL}
        />
        <span class="amount">
          room for {size(roomMib)} · {text}
        </span>
      </dd>
    </>
  );
}

/** With less room than this share the next starts are likely to be refused; the words say how much it is. */
const NEARLY_FULL = 0.1;
