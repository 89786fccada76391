/** The small open port of a process without pages: whether it is well, and the metrics. Names no sandbox. */
import { Hono } from 'hono';
import { createHealth } from '../dashboard/health.ts';
import { type HttpServer, type HttpServerOptions, startHttpServer } from '../dashboard/http-server.ts';
import { createMetricsRoutes } from '../dashboard/metrics/metrics-routes.ts';
import type { Logger } from '../platform/log.ts';
import type { System } from './system.ts';

export function startHealthPort(
  { store, queues }: Pick<System, 'store' | 'queues'>,
  options: HttpServerOptions,
  log: Logger,
): Promise<HttpServer> {
  const app = new Hono();
  app.route('/', createHealth(store));
  app.route('/', createMetricsRoutes({ store, queues, log, nowMs: Date.now }));
  app.notFound((context) => context.json({ code: 'not_found', message: 'there is nothing here' }, 404));
  return startHttpServer(app, options);
}
