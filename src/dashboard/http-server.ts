/** The read side over HTTP: the board, and whether this process is alive and ready. Loopback only for now. */
import type { Server } from 'node:http';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { ProviderName } from '../core/provider-name.ts';
import type { AttemptQueue } from '../queues/queues.ts';
import type { Store } from '../store/store.ts';
import { createBoard } from './board.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly deployment: string;
  readonly simulated: boolean;
}

export interface HttpServer {
  readonly url: string;
  close(): Promise<void>;
}

const BOARD_PATH = '/queues';
/** Longer than a healthy Redis ever takes, shorter than any health checker waits. */
const READY_TIMEOUT_MS = 2_000;

export async function startHttpServer(
  deps: { readonly store: Store; readonly queues: ReadonlyMap<ProviderName, AttemptQueue> },
  options: HttpServerOptions,
): Promise<HttpServer> {
  const app = new Hono();
  app.get('/healthz', (context) => context.json({ status: 'ok' }));
  app.get('/readyz', async (context) => {
    const ready = await answersPing(deps.store);
    return context.json({ status: ready ? 'ready' : 'redis is away' }, ready ? 200 : 503);
  });
  app.get('/', (context) => context.redirect(BOARD_PATH));
  app.route(BOARD_PATH, createBoard(deps.queues, { basePath: BOARD_PATH, ...options }));
  app.notFound((context) => context.json({ code: 'not_found', message: 'there is nothing here' }, 404));

  const server = await listen(app, options);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return {
    url: `http://${options.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // Pages poll over connections that would keep the process up.
        server.closeAllConnections();
      }),
  };
}

async function answersPing({ redis }: Store): Promise<boolean> {
  const timedOut = new Promise<false>((resolve) => {
    setTimeout(resolve, READY_TIMEOUT_MS, false).unref();
  });
  return Promise.race([
    redis.ping().then(
      () => true,
      () => false,
    ),
    timedOut,
  ]);
}

function listen(app: Hono, { host, port }: HttpServerOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: host, port }, () => resolve(server)) as Server;
    server.once('error', reject);
  });
}
