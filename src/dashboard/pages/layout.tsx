import type { Child } from 'hono/jsx';
import { holdsRole, type Principal } from '../../core/principal.ts';

export interface Frame {
  readonly deployment: string;
  readonly simulated: boolean;
  readonly assets: AssetPaths;
}

export interface AssetPaths {
  readonly css: string;
  readonly js: string;
  /** The chart library and what draws with it; in this order. */
  readonly charts: { readonly css: string; readonly scripts: readonly string[] };
}

interface LayoutProps {
  readonly frame: Frame;
  readonly title: string;
  /** Absent on the login page. */
  readonly principal?: Principal;
  readonly here?: Here;
  readonly withCharts?: boolean;
  readonly children: Child;
}

type Here = 'fleet' | 'costs';

/** What every page of ours has around it. */
export function Layout({ frame, title, principal, here, withCharts, children }: LayoutProps) {
  const { deployment, simulated, assets } = frame;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${title} · ${deployment} · cmux-lifecycle`}</title>
        <link rel="icon" href={FAVICON} />
        <link rel="stylesheet" href={assets.css} />
        <script src={assets.js} defer />
        {withCharts && <link rel="stylesheet" href={assets.charts.css} />}
        {withCharts && assets.charts.scripts.map((script) => <script src={script} defer />)}
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        <header class="top">
          <p class="brand">
            cmux-lifecycle <span class="deployment">{deployment}</span>
          </p>
          {principal && <Navigation principal={principal} here={here} />}
        </header>
        {simulated && (
          <p class="banner simulated">
            <strong>SIMULATED</strong> Proxmox VE and Morph are simulators here: no machine is real, nothing
            costs money.
          </p>
        )}
        {principal?.name === 'local' && <OpenAccess />}
        <main id="main" tabindex={-1}>
          {children}
        </main>
      </body>
    </html>
  );
}

/** A dot, so that no browser asks for /favicon.ico. */
const FAVICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='6' fill='%230f766e'/%3E%3C/svg%3E";

function Navigation({
  principal,
  here,
}: {
  readonly principal: Principal;
  readonly here?: Here | undefined;
}) {
  return (
    <>
      <nav class="menu" aria-label="Pages">
        <a href="/" aria-current={here === 'fleet' ? 'page' : undefined}>
          Fleet
        </a>
        <a href="/costs" aria-current={here === 'costs' ? 'page' : undefined}>
          Costs
        </a>
        {principal.teamId === undefined && <a href="/queues">Queues</a>}
      </nav>
      <div class="who">
        <span>
          {principal.name} <span class="quiet">({describeRole(principal)})</span>
        </span>
        {principal.name !== 'local' && (
          <form method="post" action="/logout">
            <button type="submit" class="plain">
              Log out
            </button>
          </form>
        )}
      </div>
    </>
  );
}

function describeRole({ role, teamId }: Principal): string {
  return teamId === undefined ? role : `${role} of team ${teamId}`;
}

function OpenAccess() {
  return (
    <p class="banner open">
      <strong>Open access</strong> There is no token yet, so every user and program of this machine is admin.
      Close it with <code>cmux-lifecycle token create &lt;name&gt; --role admin</code>
    </p>
  );
}

/** Viewers are shown no button that would be refused. */
export function mayAct(principal: Principal): boolean {
  return holdsRole(principal, 'operator');
}
