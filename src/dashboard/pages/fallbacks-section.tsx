import type { Fallback, FleetView } from '../fleet/fleet-view.ts';
import { Section, Since } from './parts.tsx';

export function FallbacksSection({
  fallbacks,
  atMs,
}: {
  readonly fallbacks: FleetView['fallbacks'];
  readonly atMs: number;
}) {
  const { shown, total } = fallbacks;
  return (
    <Section
      id="fallbacks"
      question="Why is this on Morph?"
      note={total > shown.length ? `${shown.length} of ${total}, the newest` : undefined}
    >
      {shown.length === 0 ? (
        <p class="fine">Every sandbox is where its route begins.</p>
      ) : (
        <ul class="fallbacks">
          {shown.map((fallback) => (
            <FallbackItem fallback={fallback} atMs={atMs} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function FallbackItem({ fallback, atMs }: { readonly fallback: Fallback; readonly atMs: number }) {
  const { sandboxId, provider, sinceMs, reasons } = fallback;
  return (
    <li>
      <h3>
        <span class="id">{sandboxId}</span> is on {provider}
        <span class="quiet">
          {' '}
          for <Since ms={sinceMs} atMs={atMs} />, because
        </span>
      </h3>
      <dl>
        {reasons.map(({ provider: tried, attempt, message, remediation }) => (
          <>
            <dt>
              {tried}
              <span class="quiet">{attempt === undefined ? ' left out' : ` attempt ${attempt}`}</span>
            </dt>
            <dd>
              {message}
              {remediation && <span class="below quiet">{remediation}</span>}
            </dd>
          </>
        ))}
      </dl>
    </li>
  );
}
