/** Our own pages, as routes and as the one page that the access check shows. */
import { Hono } from 'hono';
import type { Child } from 'hono/jsx';
import { z } from 'zod';
import { holdsRole, type Principal } from '../core/principal.ts';
import { SANDBOX_STATES } from '../core/sandbox.ts';
import type { CostsReader } from './costs/read-costs.ts';
import { createFleetReader, type FleetReaderDeps } from './fleet/read-fleet.ts';
import { viewFleet } from './fleet/view-fleet.ts';
import { CostsPage } from './pages/costs-page.tsx';
import { FleetPage } from './pages/fleet-page.tsx';
import type { Frame } from './pages/layout.tsx';
import { LoginPage, type LoginPageProps } from './pages/login-page.tsx';

/** The access check, which goes before, leaves this behind. */
export interface PageEnv {
  readonly Variables: { principal: Principal };
}

/** As much as is read at a glance; the API has the rest. */
const AUDIT_ENTRIES = 12;

/** Whatever is wrong with a query, the page shows: it is no API. */
const querySchema = z.object({
  state: z.enum(SANDBOX_STATES).optional().catch(undefined),
  page: z.coerce.number().int().min(1).max(10_000).catch(1),
});

export interface PagesDeps extends FleetReaderDeps {
  readonly costs: CostsReader;
}

export function createPages(deps: PagesDeps, frame: Frame): Hono<PageEnv> {
  const readFleet = createFleetReader(deps);
  const pages = new Hono<PageEnv>();
  pages.get('/', async (context) => {
    const { principal } = context.var;
    const { state, page } = querySchema.parse(context.req.query());
    const isAdmin = holdsRole(principal, 'admin');
    const [snapshot, audit] = await Promise.all([
      readFleet(),
      isAdmin ? deps.store.audit.read({ limit: AUDIT_ENTRIES }) : undefined,
    ]);
    const view = viewFleet(snapshot, principal, frame, { ...(state && { state }), page });
    const props = { frame, view, principal, ...(audit && { audit: audit.entries }) };
    return context.html(render(<FleetPage {...props} />));
  });
  pages.get('/costs', async (context) => {
    const { principal } = context.var;
    const month = await deps.costs.month(principal.teamId);
    return context.html(render(<CostsPage frame={frame} month={month} principal={principal} />));
  });
  return pages;
}

/** What the access check shows to whoever is to log in. */
export function createLoginPage(frame: Frame): (view: Omit<LoginPageProps, 'frame'>) => string {
  return (view) => render(<LoginPage frame={frame} {...view} />);
}

function render(page: Child): string {
  return `<!doctype html>${String(page)}`;
}
