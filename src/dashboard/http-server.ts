import type { Server } from 'node:http';
import { serve } from '@hono/node-server';
import type { Hono } from 'hono';
import { ConfigError } from '../platform/config-error.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The variable that the port is from, for whoever has to change it. */
  readonly setting?: 'PORT' | 'HEALTH_PORT';
}

export interface HttpServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Listens before it resolves.
 * @throws ConfigError when it cannot listen there, most often because something else does
 */
export async function startHttpServer(
  app: { readonly fetch: Hono['fetch'] },
  { host, port, setting = 'PORT' }: HttpServerOptions,
): Promise<HttpServer> {
  const server = await new Promise<Server>((resolve, reject) => {
    const listening = serve({ fetch: app.fetch, hostname: host, port }, () => resolve(listening)) as Server;
    listening.once('error', (error) => reject(cannotListen(error, `${host}:${port}`, setting)));
  });
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // Pages poll over connections that would keep the process up.
        server.closeAllConnections();
      }),
  };
}

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there already',
  EACCES: 'this user may not listen there',
  EADDRNOTAVAIL: 'this machine has no such address',
};

function cannotListen(
  error: NodeJS.ErrnoException,
  where: string,
  setting: 'PORT' | 'HEALTH_PORT',
): ConfigError {
  const why = WHY[error.code ?? ''] ?? error.message;
  const remedy = `stop what listens there, another demo perhaps, or give a free port: ${setting}=0 takes any`;
  return new ConfigError([{ setting, problem: `cannot listen on ${where}: ${why}`, remedy }], {
    cause: error,
  });
}
