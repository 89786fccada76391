/**
 * Who may do what over HTTP. Order of the parts on a server:
 *
 *     app.get('/healthz', …)            open to everybody
 *     app.use(access.shield)            headers, size of bodies, pages of somebody else
 *     app.route('/', access.login)      /login, /logout
 *     app.use(access.check)             from here on there is a principal
 *     …the API and the pages
 *
 * A request is a token's (`Authorization: Bearer`), a session's (cookie), or, where access is open, anybody's
 * on this machine. Roles are checked here; what belongs to which team is checked by whoever reads records,
 * against `principal.teamId`.
 */
import type { Context, Hono, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { every } from 'hono/combine';
import { getCookie } from 'hono/cookie';
import { holdsRole, type Principal, type Role } from '../../core/principal.ts';
import type { Logger } from '../../platform/log.ts';
import type { SecretBox } from '../../platform/secret-box.ts';
import type { AccessStore } from '../../store/access.ts';
import type { AuditLog } from '../../store/audit.ts';
import type { AccessEnv } from './access-env.ts';
import { addressGroup, clientAddress } from './client-address.ts';
import { changesSomething, refuseCrossSite } from './foreign.ts';
import { createHeaders } from './headers.ts';
import { isOwnHeartbeat } from './heartbeat-token.ts';
import { type Identity, identify } from './identify.ts';
import { overFailedLogins, overRequests, REQUESTS_PER_MINUTE } from './limits.ts';
import { createLogin, type LoginPage } from './login.ts';
import { answerRefusal, type Refusal } from './refusal.ts';
import { createTokens, type Tokens } from './tokens.ts';

export type { AccessEnv } from './access-env.ts';

export interface Access {
  /** For everything but health checks: security headers, a bound on bodies, no page of somebody else. */
  readonly shield: MiddlewareHandler;
  /** Open routes: GET and POST /login, POST /logout. */
  readonly login: Hono;
  /**
   * Sets `context.var.principal`, or answers 401, 403, 421 or 429 as `{ code, message, retryable,
   * remediation? }`; browsers asking for a page are led to /login. Viewers get 403 for everything but GET and
   * HEAD. Every other request goes to the audit log, with its status.
   */
  readonly check: MiddlewareHandler<AccessEnv>;
  /** Answers 403 unless the principal holds the role or one above. Goes after `check`. */
  atLeast(role: Role): MiddlewareHandler<AccessEnv>;
  readonly tokens: Tokens;
}

export interface AccessDeps {
  readonly store: { readonly access: AccessStore; readonly audit: AuditLog };
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly loginPage: LoginPage;
}

export interface AccessOptions {
  /**
   * Open as admin while there is no token. Only for a server on loopback that manages nothing real: every
   * user and program of the machine gets in.
   */
  readonly openWithoutTokens: boolean;
  /** The address people use, when a proxy stands in front. With https, cookies are `Secure`. */
  readonly publicUrl?: string;
  /** A proxy of ours sets `X-Forwarded-For`. */
  readonly trustProxy: boolean;
  readonly boardPath: string;
  /** Knows the heartbeat tokens of guests; absent: there are none. */
  readonly secretBox?: Pick<SecretBox, 'derive'>;
  /** Default 6,000. */
  readonly requestsPerMinute?: number;
}

/** A start with all the metadata it may carry takes a tenth of this. */
const MAX_BODY_BYTES = 1024 * 1024;

export function createAccess(deps: AccessDeps, options: AccessOptions): Access {
  const https = options.publicUrl?.startsWith('https:') ?? false;
  // The prefix makes browsers refuse the cookie from anywhere but this very host, over https only.
  const cookieName = https ? '__Host-cmux_lifecycle' : 'cmux_lifecycle';
  const tokens = createTokens(deps.store.access, deps.nowMs);
  const sessions = { cookieName, https, trustProxy: options.trustProxy };
  return {
    shield: createShield(options, { https, cookieName }),
    login: createLogin(deps, sessions),
    check: createCheck(deps, { ...options, cookieName }),
    atLeast,
    tokens,
  };
}

function createShield(
  options: AccessOptions,
  { https, cookieName }: { readonly https: boolean; readonly cookieName: string },
): MiddlewareHandler {
  const publicHost = options.publicUrl === undefined ? undefined : new URL(options.publicUrl).host;
  const refuseForeign: MiddlewareHandler = async (context, next) => {
    const refusal = refuseCrossSite(
      {
        method: context.req.method,
        host: context.req.header('host'),
        origin: context.req.header('origin'),
        fetchSite: context.req.header('sec-fetch-site'),
        fetchMode: context.req.header('sec-fetch-mode'),
        hasCookie: getCookie(context, cookieName) !== undefined,
      },
      publicHost,
    );
    return refusal ? answerRefusal(context, refusal) : next();
  };
  const limitBody = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (context) =>
      answerRefusal(context, {
        code: 'body_too_large',
        message: `a request body has at most ${MAX_BODY_BYTES} bytes`,
      }),
  });
  return every(createHeaders({ https, boardPath: options.boardPath }), refuseForeign, limitBody);
}

function createCheck(
  { store, log, nowMs }: AccessDeps,
  options: AccessOptions & { readonly cookieName: string },
): MiddlewareHandler<AccessEnv> {
  const { requestsPerMinute = REQUESTS_PER_MINUTE, trustProxy } = options;

  /** A 401, or a 429 for whoever keeps trying. */
  async function refuseStranger(context: Context, identity: Identity): Promise<Response> {
    if (identity.kind === 'refused') return answerRefusal(context, identity.refusal);
    if (identity.kind === 'nobody' && wantsPage(context)) return leadToLogin(context);
    const group = addressGroup(clientAddress(context, trustProxy));
    const over = identity.kind === 'impostor' ? await overFailedLogins(store.access, group) : undefined;
    return answerRefusal(context, over ?? UNAUTHORIZED);
  }

  async function record(context: Context, { name, role }: Principal, atMs: number): Promise<void> {
    const what = `${context.req.method} ${context.req.path}`;
    const from = clientAddress(context, trustProxy);
    const entry = { atMs, who: name, role, what, from, status: context.res.status };
    // The change was made; that it could not be written down must not look like a failure of it.
    await store.audit
      .append(entry)
      .catch((error: unknown) => log.error({ err: error, audit: entry }, 'audit log'));
  }

  return async (context, next) => {
    const identity = await identify(store.access, options, context);
    if (identity.kind !== 'known') return refuseStranger(context, identity);
    const { principal } = identity;
    const over = await overRequests(store.access, principal.name, requestsPerMinute);
    if (over) return answerRefusal(context, over);

    context.set('principal', principal);
    // Pages and answers are one person's: no shared cache may keep them.
    context.header('Cache-Control', 'no-store');
    if (principal.sandboxId !== undefined) {
      // Not in the audit log: a fleet of guests says this every minute, and it changes nothing but their clock.
      const own = isOwnHeartbeat(context.req.method, context.req.path, principal.sandboxId);
      return own ? next() : answerRefusal(context, onlyHeartbeats(principal));
    }
    if (!changesSomething(context.req.method)) return next();
    const atMs = nowMs();
    if (holdsRole(principal, 'operator')) await next();
    else context.res = answerRefusal(context, needsRole(principal, 'operator'));
    await record(context, principal, atMs);
  };
}

function atLeast(role: Role): MiddlewareHandler<AccessEnv> {
  return async (context, next) => {
    const { principal } = context.var;
    return holdsRole(principal, role) ? next() : answerRefusal(context, needsRole(principal, role));
  };
}

const UNAUTHORIZED: Refusal = {
  code: 'unauthorized',
  message: 'a valid token is needed',
  remediation:
    'Send "Authorization: Bearer <token>", or log in at /login. Make one with: cmux-lifecycle token create <name>.',
};

function needsRole({ name, role }: Principal, needed: Role): Refusal {
  return {
    code: 'forbidden',
    message: `this needs the role ${needed}; ${name} is ${role}`,
    remediation: `Ask an admin for a token with the role ${needed}.`,
  };
}

function onlyHeartbeats({ name }: Principal): Refusal {
  return {
    code: 'forbidden',
    message: `${name} may send the heartbeats of its own sandbox and nothing else`,
  };
}

function wantsPage({ req }: Context): boolean {
  return (
    req.method === 'GET' && !req.path.startsWith('/v1/') && /text\/html/.test(req.header('accept') ?? '')
  );
}

function leadToLogin(context: Context): Response {
  const { pathname, search } = new URL(context.req.url);
  return context.redirect(`/login?to=${encodeURIComponent(pathname + search)}`, 303);
}
