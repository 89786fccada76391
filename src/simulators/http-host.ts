import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { FaultSource } from './fault-plan.ts';
import type { Timers } from './timers.ts';

export interface HostRequest {
  readonly method: string;
  /** Decoded path without query. */
  readonly path: string;
  /** Path segments, decoded one by one, so that an encoded slash stays inside its segment. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface HostReply {
  readonly status: number;
  /** Text after the status code; Proxmox puts its error message there. */
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HostOptions {
  readonly host: string;
  readonly port: number;
  /** PEM. Without it the host speaks plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly keepAliveMs: number;
  readonly maxRequestsPerConnection: number;
  readonly handle: (request: HostRequest) => Promise<HostReply>;
  readonly formatError: (status: number, message: string) => HostReply;
  readonly faults?: FaultSource;
  readonly timers: Timers;
  /** Called for every request that arrived whole, faulted or not. */
  readonly onRequest?: (request: HostRequest) => void;
}

export interface HttpHost {
  readonly origin: string;
  readonly isDown: () => boolean;
  /**
   * Down: the listening socket is closed and its connections destroyed, so callers get ECONNREFUSED. What was
   * begun goes on. Up: listens on the same port again. Both may be repeated.
   */
  readonly setDown: (down: boolean) => Promise<void>;
}

/** Largest body read; far above what any caller here sends. Longer ones are cut off with their socket. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * After going down, so that callers in this process have seen their idle sockets end and really are refused. Shorter:
 * the first call of a pooled client may get a reset instead.
 */
const NOTICE_MS = 10;

/** One listening HTTP or HTTPS server on raw node:http, with the faults of its plan. */
export async function startHttpHost(options: HostOptions): Promise<HttpHost> {
  let server: Server | undefined = await listen(options, options.port);
  const port = (server.address() as AddressInfo).port;

  return {
    origin: `${options.tls === undefined ? 'http' : 'https'}://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    isDown: () => server === undefined,
    setDown: async (down) => {
      if (down && server !== undefined) {
        const closing = server;
        server = undefined;
        await new Promise<void>((resolve) => {
          closing.close(() => resolve());
          closing.closeAllConnections();
        });
        await setTimeout(NOTICE_MS);
      } else if (!down && server === undefined) {
        server = await listen(options, port);
      }
    },
  };
}

function listen(options: HostOptions, port: number): Promise<Server> {
  const served = new WeakMap<object, number>();
  const onRequest = (incoming: IncomingMessage, response: ServerResponse) => {
    const count = (served.get(incoming.socket) ?? 0) + 1;
    served.set(incoming.socket, count);
    if (count >= options.maxRequestsPerConnection) response.shouldKeepAlive = false;
    answer(options, incoming, response).catch((error: unknown) => {
      send(response, options.formatError(500, error instanceof Error ? error.message : String(error)));
    });
  };
  const server: Server =
    options.tls === undefined ? createServer(onRequest) : createTlsServer({ ...options.tls }, onRequest);
  server.keepAliveTimeout = options.keepAliveMs;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, options.host, () => {
      server.removeListener('error', reject);
      resolve(server);
    });
  });
}

async function answer(options: HostOptions, incoming: IncomingMessage, response: ServerResponse) {
  const body = await readBody(incoming);
  if (body === undefined) return;
  const request = describe(incoming, body);
  if (request === undefined) return send(response, options.formatError(400, 'Bad Request'));
  options.onRequest?.(request);

  const fault = options.faults?.forRequest(request.method, request.path);
  switch (fault?.kind) {
    case 'drop':
      incoming.socket.destroy();
      return;
    case 'hang':
      return;
    case 'error':
      return send(response, options.formatError(fault.status, fault.message));
    case 'delay':
      await options.timers.sleep(fault.ms);
      break;
    case 'lose-reply':
    case undefined:
      break;
    default:
      fault satisfies never;
  }

  const reply = await options.handle(request);
  if (fault?.kind !== 'lose-reply') return send(response, reply);
  if (fault.status === undefined) incoming.socket.destroy();
  else send(response, options.formatError(fault.status, fault.message ?? 'Connection timed out'));
}

function readBody(incoming: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) incoming.destroy();
      else chunks.push(chunk);
    });
    incoming.on('end', () => resolve(Buffer.concat(chunks)));
    incoming.on('close', () => resolve(undefined));
    incoming.on('error', () => resolve(undefined));
  });
}

function describe(incoming: IncomingMessage, body: Buffer): HostRequest | undefined {
  try {
    const url = new URL(incoming.url ?? '/', 'http://simulator');
    const segments = url.pathname.split('/').slice(1).map(decodeURIComponent);
    return {
      method: incoming.method ?? 'GET',
      path: `/${segments.join('/')}`,
      segments,
      query: url.searchParams,
      headers: incoming.headers,
      body,
    };
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, reply: HostReply): void {
  if (response.destroyed || response.headersSent) return;
  const body = reply.body ?? '';
  const headers = {
    // Said explicitly, because Node would otherwise add a `Keep-Alive: timeout=5` hint that neither provider
    // sends, and a client that heeds it would look better here than it is.
    connection: response.shouldKeepAlive ? 'keep-alive' : 'close',
    ...(reply.status === 204 ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...reply.headers,
  };
  if (reply.reason === undefined) response.writeHead(reply.status, headers);
  else response.writeHead(reply.status, toReasonPhrase(reply.reason), headers);
  response.end(body);
}

/** A reason phrase is one line of visible Latin-1. */
function toReasonPhrase(message: string): string {
  const line = message.split('\n', 1)[0] ?? '';
  return line.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?');
}
