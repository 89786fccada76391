/** Everything this process answers over HTTP, in the order in which it is asked who may. */
import { Hono } from 'hono';
import { trimTrailingSlash } from 'hono/trailing-slash';
import { createAssets } from '../dashboard/assets.ts';
import { createBoard } from '../dashboard/board.ts';
import { createCostsReader } from '../dashboard/costs/read-costs.ts';
import { createHealth } from '../dashboard/health.ts';
import { type HttpServer, startHttpServer } from '../dashboard/http-server.ts';
import { createMetricsRoutes } from '../dashboard/metrics/metrics-routes.ts';
import { createLoginPage, createPages } from '../dashboard/pages.tsx';
import type { Config } from '../platform/config.ts';
import type { Logger } from '../platform/log.ts';
import { connectAgain } from '../platform/redis.ts';
import { createSecretBox, type SecretBox } from '../platform/secret-box.ts';
import { type Access, type AccessEnv, createAccess } from '../producers/access/access.ts';
import { isLoopbackName } from '../producers/access/foreign.ts';
import { createAutomationService } from '../producers/automation-service.ts';
import { createApi } from '../producers/http/app.ts';
import { answerError } from '../producers/http/errors.ts';
import { createLifecycleService } from '../producers/lifecycle-service.ts';
import { createQueues } from '../queues/queues.ts';
import { createSubmitter } from '../queues/submit-operation.ts';
import { createSweepControl } from '../queues/sweep-queues.ts';
import { createStore } from '../store/store.ts';
import type { System } from './system.ts';

const BOARD_PATH = '/queues';

/** The part of the configuration that HTTP takes. */
export type HttpConfig = Pick<
  Config,
  'deployment' | 'mode' | 'http' | 'enabledProviders' | 'webhook' | 'secretsKey'
>;

export interface Http extends HttpServer {
  /** The one login link of a deployment's first start; it works once. Secret. */
  readonly loginLink?: string;
}

/** @param nowMs the clock of what is read; sessions and rate limits keep the real one */
export async function startHttp(
  system: System,
  config: HttpConfig,
  log: Logger,
  nowMs: () => number = Date.now,
): Promise<Http> {
  const parts = await openParts(system, config);
  try {
    return await listen(parts, config, log, nowMs);
  } catch (error) {
    // A port that is taken, say: what was opened would keep the process alive.
    await parts.close();
    throw error;
  }
}

async function listen(
  { store, queues, service, close }: Awaited<ReturnType<typeof openParts>>,
  config: HttpConfig,
  log: Logger,
  nowMs: () => number,
): Promise<Http> {
  const simulated = config.mode === 'local';
  const assets = createAssets();
  const frame = { deployment: config.deployment, simulated, assets: assets.paths };
  const sweeps = createSweepControl({ ...store, nowMs: Date.now });
  // Simulators on loopback are nobody's loss; whatever is real, or can be reached from elsewhere, needs tokens.
  const openWithoutTokens = simulated && isLoopbackName(config.http.host);
  const access = createAccess(
    { store, log, nowMs: Date.now, loginPage: createLoginPage(frame) },
    { ...config.http, openWithoutTokens, boardPath: BOARD_PATH, ...secretBoxOf(config) },
  );
  // A process that only submits knows no provider itself: the board then shows every queue.
  const { enabledProviders: enabled } = config;
  const shown = new Map(
    [...queues.byProvider].filter(([name]) => enabled.length === 0 || enabled.includes(name)),
  );

  const app = new Hono<AccessEnv>();
  app.route('/', createHealth(store));
  app.use(access.shield);
  app.route('/', assets.routes);
  app.route('/', access.login);
  app.use(access.check);
  app.use(trimTrailingSlash());
  app.route('/', createMetricsRoutes({ store, queues, log, nowMs: Date.now }));
  const costs = createCostsReader({ store, nowMs });
  app.route('/', createPages({ store, queues, costs, readSweeps: sweeps.list, nowMs: Date.now }, frame));
  const board = {
    basePath: BOARD_PATH,
    costs,
    ...frame,
    ...(config.webhook && { webhookQueue: queues.webhook.queue }),
  };
  app.route(BOARD_PATH, createBoard(shown, board));
  app.route(
    '/',
    createApi({
      service,
      events: store.events,
      webhook: store.webhook,
      sweeps,
      automation: createAutomationService(store, Date.now),
      access: { tokens: access.tokens, audit: store.audit },
      log,
    }),
  );
  app.onError((error, context) => answerError(context, error, log));
  app.notFound((context) =>
    context.json({ code: 'not_found', message: 'there is nothing here', retryable: false }, 404),
  );

  const server = await startHttpServer(app, config.http);
  const loginLink = openWithoutTokens
    ? undefined
    : await firstLoginLink(access, config.http.publicUrl ?? server.url);
  return {
    url: server.url,
    ...(loginLink === undefined ? {} : { loginLink }),
    async close() {
      await server.close();
      await sweeps.close();
      await close();
    },
  };
}

/**
 * A store of its own for everything that somebody waits for: while Redis is away its commands fail at once,
 * and those of the workers wait.
 */
async function openParts(system: System, config: HttpConfig) {
  // The system's own connection tells when Redis goes away and when it is back.
  const redis = await connectAgain(system.store.redis, { role: 'producer' });
  const store = createStore(redis, config.deployment);
  const queues = createQueues(redis, store.keys);
  const submitter = createSubmitter({ store, queues, nowMs: Date.now });
  return {
    store,
    queues,
    service: createLifecycleService({
      store,
      submitter,
      nowMs: Date.now,
      ...secretBoxOf(config),
    }),
    async close() {
      await queues.close();
      await store.close();
      redis.disconnect();
    },
  };
}

function secretBoxOf({ secretsKey }: HttpConfig): { readonly secretBox?: SecretBox } {
  return secretsKey === undefined ? {} : { secretBox: createSecretBox(secretsKey) };
}

async function firstLoginLink(access: Access, base: string): Promise<string | undefined> {
  const code = await access.tokens.createFirst();
  return code === undefined ? undefined : `${base}/login?code=${code}`;
}

/** What a person at the terminal needs to know about who gets in. */
export function describeAccess({ loginLink }: Http, { mode, http }: HttpConfig): readonly string[] {
  if (loginLink !== undefined) return [`log in    ${loginLink}  (works once, within a day)`];
  if (mode !== 'local' || !isLoopbackName(http.host)) return [];
  return ['access    open: every user and program of this machine is admin, until a token is made'];
}
