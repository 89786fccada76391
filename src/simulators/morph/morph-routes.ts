import type { HostReply, HostRequest } from '../http-host.ts';
import { exposeBody, metadataBody, parseBody, startBody, ttlBody, wakeBody } from './morph-bodies.ts';
import { MorphFailure, notFound, wrongState } from './morph-failure.ts';
import type { MorphInstances } from './morph-instances.ts';
import type { SimulatedSnapshot } from './morph-options.ts';
import type { MorphInstance } from './morph-store.ts';
import { type UsageMeter, usageView } from './morph-usage.ts';
import { instanceView, quotaView, snapshotView } from './morph-views.ts';

/** `/instance/{id}/pause` and so on; `{x}` matches one segment. */
export interface MorphRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly handle: (request: HostRequest, ids: readonly string[]) => HostReply | Promise<HostReply>;
}

export interface MorphRoutesDeps {
  readonly instances: MorphInstances;
  readonly snapshots: readonly SimulatedSnapshot[];
  readonly serviceUrl: (id: string, port: number) => string;
  readonly startedAtMs: number;
  readonly usage: () => UsageMeter;
}

export function createMorphRoutes(deps: MorphRoutesDeps): readonly MorphRoute[] {
  const { instances } = deps;
  const view = (instance: MorphInstance) => ok(instanceView(instance, deps.serviceUrl));
  return [
    { method: 'POST', path: '/instance', handle: (request) => startInstance(deps, request) },
    {
      method: 'GET',
      path: '/instance',
      handle: ({ query }) => {
        const found = matching(instances.all(), query);
        return ok({ object: 'list', data: found.map((at) => instanceView(at, deps.serviceUrl)) });
      },
    },
    { method: 'GET', path: '/instance/list', handle: ({ query }) => listPage(deps, query) },
    { method: 'GET', path: '/instance/{id}', handle: (_, [id = '']) => view(instances.get(id)) },
    {
      method: 'DELETE',
      path: '/instance/{id}',
      handle: (_, [id = '']) => {
        instances.remove(id);
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: '/instance/{id}/pause',
      handle: async ({ query }, [id = '']) => {
        checkBoolean(query, 'snapshot');
        return view(await instances.pause(id));
      },
    },
    { method: 'POST', path: '/instance/{id}/resume', handle: (_, [id = '']) => view(instances.resume(id)) },
    ...createSettingRoutes(deps, view),
    {
      method: 'GET',
      path: '/snapshot',
      handle: ({ query }) => {
        const found = matching(
          deps.snapshots.map((snapshot) => ({ ...snapshot, metadata: snapshot.metadata ?? {} })),
          query,
        );
        return ok({ object: 'list', data: found.map((at) => snapshotView(at, deps.startedAtMs)) });
      },
    },
    {
      method: 'GET',
      path: '/snapshot/{id}',
      handle: (_, [id = '']) => ok(snapshotView(findSnapshot(deps, id), deps.startedAtMs)),
    },
    { method: 'GET', path: '/user/service/quota', handle: () => ok(quotaView(instances.all())) },
    {
      method: 'GET',
      path: '/user/service/usage',
      handle: ({ query }) => ok(usageView(deps.usage(), query)),
    },
  ];
}

/** Settings of an instance: each answers the whole instance. */
function createSettingRoutes(
  { instances }: MorphRoutesDeps,
  view: (instance: MorphInstance) => HostReply,
): readonly MorphRoute[] {
  return [
    {
      method: 'POST',
      path: '/instance/{id}/ttl',
      handle: ({ body }, [id = '']) => {
        const { ttl_seconds, ttl_action } = parseBody(ttlBody, body);
        return view(instances.setTtl(id, ttl_seconds, ttl_action ?? null));
      },
    },
    {
      method: 'POST',
      path: '/instance/{id}/wake-on',
      handle: ({ body }, [id = '']) => {
        const wanted = parseBody(wakeBody, body);
        const { wakeOn } = instances.get(id);
        const http = wanted.wake_on_http ?? wakeOn.http;
        return view(instances.change(id, { wakeOn: { http, ssh: wanted.wake_on_ssh ?? wakeOn.ssh } }));
      },
    },
    {
      method: 'POST',
      path: '/instance/{id}/metadata',
      // Whether Morph merges or replaces is undocumented; replacing is the worse case for a careless caller.
      handle: ({ body }, [id = '']) =>
        view(instances.change(id, { metadata: parseBody(metadataBody, body) })),
    },
    {
      method: 'POST',
      path: '/instance/{id}/http',
      handle: ({ body }, [id = '']) => {
        const { name, port, auth_mode } = parseBody(exposeBody, body);
        const { services, status } = instances.get(id);
        if (status !== 'ready') throw wrongState(id, status, 'ready');
        const others = services.filter((service) => service.name !== name);
        return view(
          instances.change(id, { services: [...others, { name, port, authMode: auth_mode ?? 'none' }] }),
        );
      },
    },
    {
      method: 'DELETE',
      path: '/instance/{id}/http/{name}',
      handle: (_, [id = '', name = '']) => {
        const { services } = instances.get(id);
        if (!services.some((service) => service.name === name)) {
          throw new MorphFailure(404, `HTTP service ${name} not found`);
        }
        return view(instances.change(id, { services: services.filter((service) => service.name !== name) }));
      },
    },
  ];
}

/**
 * There is no idempotency key: the same request twice makes two instances. The reply does not list the HTTP services
 * yet; cmux works around that by asking again.
 */
function startInstance(deps: MorphRoutesDeps, { query, body }: HostRequest): HostReply {
  const request = parseBody(startBody, body);
  const snapshotId = request?.snapshot_id || query.get('snapshot_id');
  if (snapshotId === null) {
    throw new MorphFailure(422, [{ loc: ['query', 'snapshot_id'], msg: 'Field required', type: 'missing' }]);
  }
  const instance = deps.instances.start(findSnapshot(deps, snapshotId), {
    metadata: request?.metadata ?? {},
    ttlSeconds: request?.ttl_seconds ?? null,
    ttlAction: request?.ttl_action ?? null,
  });
  return ok(instanceView({ ...instance, services: [] }, deps.serviceUrl));
}

function findSnapshot({ snapshots }: MorphRoutesDeps, id: string): SimulatedSnapshot {
  const snapshot = snapshots.find((at) => at.id === id);
  if (snapshot === undefined) throw notFound('Snapshot', id);
  return snapshot;
}

function listPage(deps: MorphRoutesDeps, query: URLSearchParams): HostReply {
  const page = positiveInteger(query, 'page', 1);
  const limit = positiveInteger(query, 'limit', 50);
  const found = matching(deps.instances.all(), query);
  const totalPages = Math.ceil(found.length / limit);
  const rows = found.slice((page - 1) * limit, page * limit);
  return ok({
    instances: rows.map((at) => instanceView(at, deps.serviceUrl)),
    total: found.length,
    page,
    size: limit,
    total_pages: totalPages,
    has_next: page < totalPages,
    has_prev: page > 1,
  });
}

/** `metadata[key]=value`: all must match. */
function matching<T extends { readonly metadata: Readonly<Record<string, string>> }>(
  rows: readonly T[],
  query: URLSearchParams,
): readonly T[] {
  const wanted = [...query].flatMap(([name, value]) => {
    const key = /^metadata\[(.+)\]$/.exec(name)?.[1];
    return key === undefined ? [] : [{ key, value }];
  });
  return rows.filter(({ metadata }) => wanted.every(({ key, value }) => metadata[key] === value));
}

function positiveInteger(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  const msg = 'Input should be a valid integer, greater than or equal to 1';
  throw new MorphFailure(422, [{ loc: ['query', name], msg, type: 'int_parsing' }]);
}

function checkBoolean(query: URLSearchParams, name: string): void {
  const text = query.get(name);
  if (text === null || /^(?:true|false|1|0)$/i.test(text)) return;
  const msg = 'Input should be a valid boolean, unable to interpret input';
  throw new MorphFailure(422, [{ loc: ['query', name], msg, type: 'bool_parsing' }]);
}

function ok(body: unknown): HostReply {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
