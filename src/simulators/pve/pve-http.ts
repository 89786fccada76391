import type { HostReply, HostRequest } from '../http-host.ts';
import type { Access } from './access.ts';
import type { Cluster } from './cluster.ts';
import { checkParameters, type RawParameters, type RawValue } from './parameters.ts';
import { PveFailure } from './pve-failure.ts';
import { findRoute, type PveResult, type PveRoute } from './pve-routes.ts';
import { resolveNode } from './pve-world.ts';
import type { RequestWorkers } from './request-workers.ts';

const PREFIX = ['api2', 'json'];
/** pve-http-server AnyEvent.pm since 5.2.1. */
const MAX_CONTENT_BYTES = 512 * 1024;

export interface PveHttpDeps {
  readonly routes: readonly PveRoute[];
  readonly nodes: readonly string[];
  readonly cluster: Cluster;
  readonly workers: RequestWorkers;
  readonly access: Access;
  /** Waits as long as Proxmox makes a wrong token wait. */
  readonly delayAuthFailure: () => Promise<void>;
}

/**
 * From a request to a reply in Proxmox's order: transport (501), authentication (401), route (501), permission
 * (403), node, parameters (400), handler (500). Messages travel in the reason phrase; every status from 400 on
 * closes the connection.
 */
export function createPveHandler(
  deps: PveHttpDeps,
  options: { readonly token: string },
): (request: HostRequest) => Promise<HostReply> {
  const user = options.token.slice(0, options.token.indexOf('='));
  return async (request) => {
    const refused = refuseTransport(request) ?? (await refuseCaller(deps, options.token, request));
    if (refused !== undefined) return refused;
    try {
      const result = await dispatch(deps, user, request);
      return jsonReply(200, 'OK', result.total === undefined ? { data: result.data } : { ...result });
    } catch (error) {
      if (error instanceof PveFailure) return formatFailure(error);
      throw error;
    }
  };
}

async function dispatch(deps: PveHttpDeps, user: string, request: HostRequest): Promise<PveResult> {
  const segments = request.segments.slice(PREFIX.length);
  const inApi = PREFIX.every((part, index) => request.segments[index] === part);
  const match = inApi ? findRoute(deps.routes, request.method, segments) : undefined;
  if (match === undefined) {
    const path = inApi ? `/${segments.join('/')}` : request.path;
    throw new PveFailure(`Method '${request.method} ${path}' not implemented`, { status: 501 });
  }
  const raw = { ...readParameters(request), ...match.pathParameters };
  match.route.permit?.(deps.access, raw);
  const node = resolveNode(deps, String(match.pathParameters.node ?? 'localhost'));
  const answer = () => {
    const params = checkParameters(match.route.parameters, raw);
    return match.route.handle({ params, node, user, access: deps.access });
  };
  // Without a node in its path pveproxy answers a request itself, whatever is wrong with the nodes.
  if (match.pathParameters.node === undefined) return answer();
  if (!deps.cluster.isOnline(node)) throw new PveFailure('No route to host', { status: 595 });
  return deps.workers.run(node, answer);
}

function refuseTransport({ method, headers, body }: HostRequest): HostReply | undefined {
  const takesBody = method === 'POST' || method === 'PUT';
  const text = (reason: string): HostReply => ({
    status: 501,
    reason,
    headers: { ...COMMON_HEADERS, connection: 'close', 'content-type': 'text/plain' },
    body: reason,
  });
  if (headers['transfer-encoding'] !== undefined) return text('chunked transfer encoding not supported');
  if (!takesBody && body.length > 0) return text(`Unexpected content for method '${method}'`);
  if (body.length > MAX_CONTENT_BYTES) return text('for data too large');
  return undefined;
}

async function refuseCaller(
  deps: PveHttpDeps,
  token: string,
  { headers }: HostRequest,
): Promise<HostReply | undefined> {
  const given = /^PVEAPIToken(?:=| )(.+)$/.exec(headers.authorization ?? '')?.[1];
  if (given !== undefined && decode(given) === token) return undefined;
  await deps.delayAuthFailure();
  // One text for every wrong token since 2026-01 (pve-manager HTTPServer.pm); the body is empty.
  const reason = given === undefined ? 'No ticket' : 'Authentication failed!';
  return emptyReply(401, reason);
}

/** Query parameters override those of the body. */
function readParameters(request: HostRequest): RawParameters {
  return { ...readBody(request), ...collect(request.query) };
}

function readBody({ headers, body }: HostRequest): RawParameters {
  if (body.length === 0) return {};
  const type = (headers['content-type'] ?? 'application/x-www-form-urlencoded').split(';')[0]?.trim();
  if (type === 'application/x-www-form-urlencoded') return collect(new URLSearchParams(body.toString()));
  if (type !== 'application/json') {
    throw new PveFailure(`upload ${type} not implemented`, { status: 506 });
  }
  try {
    const parsed: unknown = JSON.parse(body.toString());
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as RawParameters;
  } catch {
    // Falls through: neither text that is not JSON nor JSON that is no object holds parameters.
  }
  throw new PveFailure('malformed JSON string', { status: 500 });
}

/** A repeated key is an array. */
function collect(search: URLSearchParams): RawParameters {
  const values: Record<string, RawValue> = {};
  for (const key of new Set(search.keys())) {
    const all = search.getAll(key);
    values[key] = all.length > 1 ? all : (all[0] ?? '');
  }
  return values;
}

const COMMON_HEADERS = { server: 'pve-api-daemon/3.0', 'cache-control': 'max-age=0', pragma: 'no-cache' };

function jsonReply(status: number, reason: string, body: unknown): HostReply {
  return {
    status,
    reason,
    headers: {
      ...COMMON_HEADERS,
      'content-type': 'application/json;charset=UTF-8',
      ...(status >= 400 ? { connection: 'close' } : {}),
    },
    body: JSON.stringify(body),
  };
}

function formatFailure(failure: PveFailure): HostReply {
  const { status, message, errors } = failure;
  // Codes of pveproxy's hop to a node come without a body.
  if (status >= 595) return emptyReply(status, message);
  const text = message.endsWith('\n') ? message : `${message}\n`;
  return jsonReply(status, message, {
    data: null,
    message: text,
    ...(errors === undefined ? {} : { errors }),
  });
}

/** Errors that did not come from a handler, but from a fault rule. */
export function formatPveError(status: number, message: string): HostReply {
  return status === 401 ? emptyReply(status, message) : formatFailure(new PveFailure(message, { status }));
}

function emptyReply(status: number, reason: string): HostReply {
  return { status, reason, headers: { ...COMMON_HEADERS, connection: 'close' } };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
