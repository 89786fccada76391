/**
 * /login for browsers: a token is pasted, or a login link is opened. Either opens a session: a random id in a
 * cookie that no script can read and that no other site's page brings along, its digest in Redis, which ends
 * it. A login link only shows a button: chat programs open links to preview them, and would use up the code.
 */
import { type Context, Hono } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { Logger } from '../../platform/log.ts';
import type { AccessStore } from '../../store/access.ts';
import type { AuditLog } from '../../store/audit.ts';
import { addressGroup, clientAddress } from './client-address.ts';
import { overFailedLogins } from './limits.ts';
import { createSecret, digestOf } from './secrets.ts';

/** What the page shows; main passes the page, since pages are the dashboard's. */
export interface LoginView {
  /** The path to go on to. */
  readonly to: string;
  /** From a login link: show one button in place of the field. */
  readonly code?: string;
  readonly problem?: string;
}

export type LoginPage = (view: LoginView) => string | Promise<string>;

export interface SessionOptions {
  readonly cookieName: string;
  readonly https: boolean;
  readonly trustProxy: boolean;
}

interface Deps {
  readonly store: { readonly access: AccessStore; readonly audit: AuditLog };
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly loginPage: LoginPage;
}

/** A working day; a token that is revoked ends its sessions at once. */
const SESSION_MS = 12 * 60 * 60 * 1000;

export function createLogin(deps: Deps, options: SessionOptions): Hono {
  const { access } = deps.store;
  const show = async (context: Context, view: LoginView, status: 200 | 401 | 429 = 200) => {
    context.header('Cache-Control', 'no-store');
    return context.html(await deps.loginPage(view), status);
  };
  const login = new Hono();

  login.get('/login', (context) => {
    const { to, code } = context.req.query();
    return show(context, { to: ownPath(to), ...(code ? { code } : {}) });
  });

  login.post('/login', async (context) => {
    const form = await context.req.parseBody();
    const to = ownPath(form.to);
    const tokenDigest = await tokenOf(access, form);
    const token = tokenDigest === undefined ? undefined : await access.tokenByDigest(tokenDigest);
    if (tokenDigest === undefined || token === undefined) {
      const over = await overFailedLogins(access, addressGroup(clientAddress(context, options.trustProxy)));
      if (over?.retryAfterMs) context.header('Retry-After', String(Math.ceil(over.retryAfterMs / 1000)));
      const problem = over
        ? 'Too many failed logins from your address. Wait a few minutes.'
        : typeof form.code === 'string'
          ? 'This login link has been used or has expired. Paste a token instead.'
          : 'This is not a valid token. It may have been revoked.';
      return show(context, { to, problem }, over ? 429 : 401);
    }
    await openSession(deps, options, context, tokenDigest);
    await record(deps, options, context, { who: token.name, role: token.role, what: 'log in' });
    return context.redirect(to, 303);
  });

  login.post('/logout', async (context) => {
    const cookie = getCookie(context, options.cookieName);
    if (cookie !== undefined) await access.endSession(digestOf(cookie));
    deleteCookie(context, options.cookieName, cookieAttributes(options));
    return context.redirect('/login', 303);
  });
  return login;
}

async function tokenOf(
  access: AccessStore,
  form: Readonly<Record<string, unknown>>,
): Promise<string | undefined> {
  if (typeof form.code === 'string') return access.takeLoginCode(digestOf(form.code));
  return typeof form.token === 'string' ? digestOf(form.token.trim()) : undefined;
}

async function openSession(
  { store }: Deps,
  options: SessionOptions,
  context: Context,
  tokenDigest: string,
): Promise<void> {
  const id = createSecret();
  await store.access.createSession(digestOf(id), tokenDigest, SESSION_MS);
  setCookie(context, options.cookieName, id, {
    ...cookieAttributes(options),
    maxAge: SESSION_MS / 1000,
  });
}

function cookieAttributes({ https }: SessionOptions) {
  return { path: '/', httpOnly: true, sameSite: 'Strict', secure: https } as const;
}

async function record(
  { store, log, nowMs }: Deps,
  { trustProxy }: SessionOptions,
  context: Context,
  done: { readonly who: string; readonly role: string; readonly what: string },
): Promise<void> {
  const entry = { ...done, atMs: nowMs(), from: clientAddress(context, trustProxy), status: 200 };
  await store.audit
    .append(entry)
    .catch((error: unknown) => log.error({ err: error, audit: entry }, 'audit log'));
}

/** Only a path of ours: `//evil.example` and `/\evil.example` would lead away. */
function ownPath(to: unknown): string {
  return typeof to === 'string' && /^\/(?![/\\])[^\s\\]*$/.test(to) ? to : '/';
}
