import type { Context, Hono, MiddlewareHandler } from 'hono';
import { isLifecycleError, type LifecycleError } from '../../core/lifecycle-error.ts';
import type { Role } from '../../core/principal.ts';
import type { AccessToken } from '../../store/access.ts';
import type { AuditLog } from '../../store/audit.ts';
import type { AccessEnv } from './access-env.ts';
import type { Tokens } from './tokens.ts';

const DEFAULT_AUDIT_ENTRIES = 100;
const MAX_AUDIT_ENTRIES = 500;

/** What an admin does about access, under /v1. */
export function createAccessRoutes(
  { tokens, audit }: { readonly tokens: Tokens; readonly audit: AuditLog },
  routes: Hono<AccessEnv>,
  atLeast: (role: Role) => MiddlewareHandler<AccessEnv>,
): Hono<AccessEnv> {
  routes.use('/v1/tokens/*', atLeast('admin'));
  routes.use('/v1/audit', atLeast('admin'));

  routes.get('/v1/tokens', async (context) =>
    context.json({ tokens: (await tokens.list()).map((token) => viewToken(token)) }),
  );
  routes.post('/v1/tokens', (context) =>
    answered(context, async () => {
      const body: unknown = await context.req.json().catch(() => undefined);
      const { secret, ...token } = await tokens.create(body, context.var.principal.name);
      return context.json({ ...viewToken(token), secret }, 201);
    }),
  );
  routes.delete('/v1/tokens/:name', (context) =>
    answered(context, async () => {
      await tokens.revoke(context.req.param('name'));
      return context.body(null, 204);
    }),
  );
  routes.get('/v1/audit', async (context) => {
    const { limit, cursor } = context.req.query();
    const wanted = Number.parseInt(limit ?? '', 10) || DEFAULT_AUDIT_ENTRIES;
    const known = cursor !== undefined && /^\d+-\d+$/.test(cursor);
    const size = Math.max(1, Math.min(wanted, MAX_AUDIT_ENTRIES));
    return context.json(await audit.read({ limit: size, ...(known ? { cursor } : {}) }));
  });
  return routes;
}

function viewToken({ name, role, teamId, createdAtMs, createdBy }: AccessToken) {
  return { name, role, ...(teamId === undefined ? {} : { teamId }), createdAtMs, createdBy };
}

const STATUS: Partial<Record<LifecycleError['code'], 400 | 404 | 409>> = {
  invalid_request: 400,
  not_found: 404,
  wrong_state: 409,
};

/** These routes stand by themselves: whatever they are mounted in, their errors have the documented shape. */
async function answered(context: Context, run: () => Promise<Response>): Promise<Response> {
  try {
    return await run();
  } catch (error) {
    const status = isLifecycleError(error) ? STATUS[error.code] : undefined;
    if (!isLifecycleError(error) || status === undefined) throw error;
    const { code, message, retryable, remediation } = error;
    return context.json({ code, message, retryable, ...(remediation ? { remediation } : {}) }, status);
  }
}
