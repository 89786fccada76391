import type { Principal } from '../../core/principal.ts';
import type { AuditEntry } from '../../store/audit.ts';
import type { FleetView } from '../fleet/fleet-view.ts';
import { AuditSection } from './audit-section.tsx';
import { CapacitySection } from './capacity-section.tsx';
import { FallbacksSection } from './fallbacks-section.tsx';
import { type Frame, Layout, mayAct } from './layout.tsx';
import { NeedsSection } from './needs-section.tsx';
import { SandboxesSection } from './sandboxes-section.tsx';
import { UpcomingSection } from './upcoming-section.tsx';

export interface FleetPageProps {
  readonly frame: Frame;
  readonly view: FleetView;
  readonly principal: Principal;
  /** For admins. */
  readonly audit?: readonly AuditEntry[];
}

/** Five questions from the most to the least urgent. */
export function FleetPage({ frame, view, principal, audit }: FleetPageProps) {
  const { atMs } = view;
  return (
    <Layout frame={frame} title="Fleet" principal={principal} here="fleet">
      <div class="title">
        <h1>Fleet</h1>
        <p class="fresh">
          <span id="fresh">as of {new Date(atMs).toISOString().slice(11, 19)} UTC</span>{' '}
          <a href="/" class="no-js-only">
            Refresh
          </a>
          <button type="button" class="plain needs-js" id="live-toggle" aria-pressed="true">
            Live
          </button>
        </p>
      </div>
      <noscript>
        <p class="banner open">
          Without JavaScript this page stands still, and actions are left to the command line and the API.
        </p>
      </noscript>
      <p id="status" role="status" class="status" />
      <div id="live">
        <NeedsSection needs={view.needs} atMs={atMs} />
        <SandboxesSection table={view.sandboxes} principal={principal} atMs={atMs} />
        <FallbacksSection fallbacks={view.fallbacks} atMs={atMs} />
        <CapacitySection providers={view.providers} atMs={atMs} />
        <UpcomingSection {...view} />
        {audit && <AuditSection entries={audit} atMs={atMs} />}
      </div>
      {mayAct(principal) && <ConfirmDestroy />}
    </Layout>
  );
}

/** The browser's own dialog: it keeps the focus inside and closes with Escape. */
function ConfirmDestroy() {
  return (
    <dialog id="confirm" aria-labelledby="confirm-title">
      <form method="dialog">
        <h2 id="confirm-title">
          Destroy <span class="id" id="confirm-sandbox" />?
        </h2>
        <p>Its disk and its memory are gone for good, on every provider. Nobody can undo it.</p>
        <div class="buttons">
          <button type="submit" value="cancel">
            Keep it
          </button>
          <button type="submit" value="destroy" class="danger">
            Destroy it
          </button>
        </div>
      </form>
    </dialog>
  );
}
