import type { Need } from '../fleet/fleet-view.ts';
import { Ago, Remedy, Section } from './parts.tsx';

const MARKS: Record<Need['kind'], string> = {
  alert: 'alert',
  stuck: 'stuck',
  failed: 'failed start',
  provider: 'provider',
  unowned: 'unowned',
  webhook: 'webhook',
};

export function NeedsSection({ needs, atMs }: { readonly needs: readonly Need[]; readonly atMs: number }) {
  return (
    <Section id="needs" question="What needs me?">
      {needs.length === 0 ? (
        <p class="fine">Nothing. Whatever goes wrong by itself is being put right by itself.</p>
      ) : (
        <ul class="needs">
          {needs.map((need, index) => (
            <li class={need.kind}>
              <h3>
                <span class="state bad">{MARKS[need.kind]}</span>
                {need.title}
                <span class="quiet">
                  {' '}
                  <Ago ms={need.sinceMs} atMs={atMs} />
                </span>
              </h3>
              <p>{need.detail}</p>
              {need.remediation && <Remedy id={`remedy-${index}`} text={need.remediation} />}
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
