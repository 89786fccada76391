import type { AutomationMode } from '../../core/automation.ts';
import type { AutomationCard } from '../fleet/fleet-view.ts';

const MODES: Record<AutomationMode, string> = {
  normal: 'normal',
  off: 'destruction is off',
  observing: 'observing',
  adopt_only: 'adopt-only',
};

/** What happens without anybody asking, and guests that nobody answers for. */
export function AutomationArticle({ automation }: { readonly automation: AutomationCard }) {
  const { mode, reason, destruction, unobserved, unowned } = automation;
  return (
    <article aria-labelledby="automation-title">
      <h3 id="automation-title">By itself</h3>
      <p>
        <span class={`state ${mode === 'normal' ? 'good' : 'bad'}`}>{MODES[mode]}</span> automatic destruction
        is {destruction}
      </p>
      {reason !== '' && <p>{reason}</p>}
      {unobserved > 0 && <p class="quiet">{unobserved} sandboxes have yet to be asked for.</p>}
      {unowned.length > 0 && (
        <>
          <p>Guests that nobody answers for; they are left alone:</p>
          <ul class="lines">
            {unowned.map(({ id, provider, providerId, cause }) => (
              <li>
                <span class="id">{id}</span> on {provider}
                {providerId === undefined ? '' : ` (${providerId})`}
                <span class="quiet below">{cause}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </article>
  );
}
