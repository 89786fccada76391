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

type PortSetting = NonNullable<HttpServerOptions['setting']>;

interface Hindrance {
  readonly why: string;
  /** What is to be changed. Default: the port. */
  readonly setting?: 'HOST';
  readonly remedy: (port: PortSetting) => string;
}

const OWN_ADDRESS = () =>
  'give an address of this machine: 127.0.0.1, or 0.0.0.0 to be reached from elsewhere';

/** By the codes of Node's system errors. */
const HINDRANCES: Readonly<Record<string, Hindrance>> = {
  EADDRINUSE: {
    why: 'something else listens there already',
    remedy: (port) =>
      `stop what listens there, another demo perhaps, or give a free port: ${port}=0 takes any`,
  },
  EACCES: {
    why: 'this user may not listen there',
    remedy: () => 'give a port from 1024 on; those below are for root, or for who has CAP_NET_BIND_SERVICE',
  },
  EADDRNOTAVAIL: { why: 'this machine has no such address', setting: 'HOST', remedy: OWN_ADDRESS },
  ENOTFOUND: { why: 'this name does not resolve here', setting: 'HOST', remedy: OWN_ADDRESS },
  EAI_AGAIN: { why: 'this name does not resolve here', setting: 'HOST', remedy: OWN_ADDRESS },
};

function cannotListen(error: NodeJS.ErrnoException, where: string, port: PortSetting): ConfigError {
  const { why, setting, remedy } = HINDRANCES[error.code ?? ''] ?? {
    why: error.message,
    remedy: () => `give HOST and ${port} where this process can listen`,
  };
  const problem = `cannot listen on ${where}: ${why}`;
  return new ConfigError([{ setting: setting ?? port, problem, remedy: remedy(port) }], { cause: error });
}
