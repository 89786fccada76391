/** The access check in front of two routes, on a deployment of the test's own. */
import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { Hono } from 'hono';
import { pino } from 'pino';
import { connectRedis } from '../../src/platform/redis.ts';
import {
  type Access,
  type AccessEnv,
  type AccessOptions,
  createAccess,
} from '../../src/producers/access/access.ts';
import { accessRoutes } from '../../src/producers/http/access-routes.ts';
import { serveRoutes } from '../../src/producers/http/app.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { sharedRedisUrl } from '../support/redis.ts';

export interface AccessApp {
  readonly store: Store;
  readonly access: Access;
  /** Everything that was logged, as text. */
  readonly logged: () => string;
  request(
    path: string,
    init?: RequestInit & { readonly token?: string; readonly cookie?: string },
  ): Promise<Response>;
  createToken(name: string, role: 'viewer' | 'operator' | 'admin', teamId?: string): Promise<string>;
  /** Logs in with a token; gives the cookie to send. */
  logIn(token: string): Promise<string>;
  close(): Promise<void>;
}

export const HOST = '127.0.0.1:8787';

export async function startAccessApp(options: Partial<AccessOptions> = {}): Promise<AccessApp> {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'producer' });
  const store = createStore(redis, `test-${randomBytes(6).toString('hex')}`);
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = pino({ level: 'trace' }, sink);
  const access = createAccess(
    {
      store,
      log,
      nowMs: Date.now,
      loginPage: ({ to, code, problem }) => `<p>login ${code ?? ''} ${problem ?? ''}</p><a href="${to}"></a>`,
    },
    { openWithoutTokens: false, trustProxy: true, boardPath: '/queues', ...options },
  );
  const app = new Hono<AccessEnv>();
  app.use(access.shield);
  app.route('/', access.login);
  app.use(access.check);
  app.get('/page', (context) => context.json(context.var.principal));
  app.get('/v1/thing', (context) => context.json(context.var.principal));
  app.post('/v1/thing', (context) => context.json({ done: true }));
  app.get('/queues', (context) => context.text('board'));
  app.route('/', serveRoutes(accessRoutes({ tokens: access.tokens, audit: store.audit }), log));

  async function request(
    path: string,
    { token, cookie, headers, ...init }: Parameters<AccessApp['request']>[1] = {},
  ) {
    return app.request(path, {
      ...init,
      headers: {
        host: HOST,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(cookie === undefined ? {} : { cookie }),
        ...(headers as Record<string, string>),
      },
    });
  }

  return {
    store,
    access,
    request,
    logged: () => lines.join(''),
    async createToken(name, role, teamId) {
      const request = { name, role, ...(teamId === undefined ? {} : { teamId }) };
      return (await access.tokens.create(request, 'cli')).secret;
    },
    async logIn(token) {
      const response = await request('/login', form({ token }));
      return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
    },
    async close() {
      await store.close();
      redis.disconnect();
    },
  };
}

/** A form as a page of ours posts it. */
export function form(fields: Record<string, string>): RequestInit {
  return { method: 'POST', body: new URLSearchParams(fields), headers: { origin: `http://${HOST}` } };
}

/** What the API answers when it refuses. */
export async function refusalOf(
  response: Response,
): Promise<{ status: number; code: string; message: string }> {
  const { code, message } = (await response.json()) as { code: string; message: string };
  return { status: response.status, code, message };
}
