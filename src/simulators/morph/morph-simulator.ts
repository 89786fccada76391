import { createHash } from 'node:crypto';
import { z } from 'zod';
import { markerMetadataKey } from '../../core/marker.ts';
import type { FaultPlan, FaultSource } from '../fault-plan.ts';
import type { GatewayGuest } from '../gateway.ts';
import { counterOf } from '../guest-memory.ts';
import { type HostReply, type HostRequest, startHttpHost } from '../http-host.ts';
import { createMeter, type MeteredSpan, type MeteredState } from '../meter.ts';
import type { Timers } from '../timers.ts';
import { MorphFailure } from './morph-failure.ts';
import { createMorphInstances, type MorphInstances } from './morph-instances.ts';
import { DEFAULT_MORPH_LATENCY, type MorphLatency, type MorphOptions } from './morph-options.ts';
import { createMorphRoutes, type MorphRoute } from './morph-routes.ts';
import type { MorphInstance } from './morph-store.ts';
import type { MeteredSize } from './morph-usage.ts';

export interface MorphSimulator {
  /** Ends in `/api`, like Morph's own. */
  readonly url: string;
  readonly apiKey: string;
  readonly setDown: (down: boolean) => Promise<void>;
  readonly inventory: () => MorphInventory;
  readonly faults: FaultPlan;
  readonly operator: MorphOperator;
  /** What was billed, by the account's own meter since this simulator started. */
  readonly metered: () => readonly MeteredSpan[];
}

/** What happens to the account outside its API. */
export interface MorphOperator {
  /** The prepaid credits ran out: everything that would cost is answered with 402 until they are filled up. */
  readonly setCreditsExhausted: (exhausted: boolean) => void;
  /** Deleted in Morph's own web pages. */
  readonly remove: (id: string) => void;
  /** The account is charged this much of what its usage explains. Default 100. */
  readonly setBilledPercent: (percent: number) => void;
}

/** Ground truth, whatever the API says. */
export interface MorphInventory {
  readonly simulated: true;
  readonly instances: readonly MorphInventoryInstance[];
  /** Requests by method and endpoint, faulted ones included: `POST /instance/{id}/pause`. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface MorphInventoryInstance {
  readonly id: string;
  readonly status: MorphInstance['status'];
  readonly snapshotId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ttl: MorphInstance['ttl'];
  readonly wakeOn: MorphInstance['wakeOn'];
  readonly bootCount: number;
  readonly counter: number;
}

export interface MorphSimulatorDeps {
  readonly host: string;
  readonly timers: Timers;
  readonly nowMs: () => number;
  readonly faults: FaultPlan & FaultSource;
  readonly onChange: () => void;
  readonly gatewayUrl: string;
  /** Decides the ids of instances. */
  readonly seed: number;
}

const savedState = z.object({
  instances: z.array(z.custom<MorphInstance>((value) => typeof value === 'object')),
  /** Instances ever started, so that no id comes back after a restart. */
  started: z.int().default(0),
});

export async function startMorphSimulator(
  deps: MorphSimulatorDeps,
  options: MorphOptions,
  restored: unknown,
) {
  const latency = { ...DEFAULT_MORPH_LATENCY, ...options.latency };
  const saved = savedState.parse(restored ?? { instances: [] });
  let started = saved.started;
  let creditsExhausted = false;
  const newId = () => {
    started += 1;
    return instanceId(deps.seed, started);
  };
  const hasCredits = () => !creditsExhausted;
  const meter = createMeter(deps.nowMs);
  const sizes = new Map<string, MeteredSize>();
  let billedPercent = 100;
  const readMeter = () => {
    for (const instance of instances.all()) sizes.set(meteredName(instance), instance);
    meter.read(meteredInstances(instances));
  };
  const onChange = () => {
    readMeter();
    deps.onChange();
  };
  const instances: MorphInstances = createMorphInstances(
    { ...deps, onChange, latency, newId, hasCredits },
    saved.instances,
  );
  readMeter();
  const routes = createMorphRoutes({
    instances,
    snapshots: options.snapshots,
    serviceUrl: (id, port) => `${deps.gatewayUrl}/${id}/${port}`,
    startedAtMs: deps.nowMs(),
    usage: () => ({ spans: meter.spans(), sizes, nowMs: deps.nowMs(), billedPercent }),
  });
  const calls = new Map<string, number>();
  const http = await startHttpHost({
    host: deps.host,
    port: options.port ?? 0,
    keepAliveMs: 60_000,
    maxRequestsPerConnection: 10_000,
    timers: deps.timers,
    faults: deps.faults,
    formatError: errorReply,
    onRequest: (request) => {
      const match = findRoute(routes, request);
      const name =
        match === undefined ? `${request.method} (unknown)` : `${request.method} ${match.route.path}`;
      calls.set(name, (calls.get(name) ?? 0) + 1);
    },
    handle: (request) => answer(routes, options.apiKey, request),
  });
  const simulator: MorphSimulator = {
    url: `${http.origin}/api`,
    apiKey: options.apiKey,
    setDown: http.setDown,
    faults: deps.faults,
    operator: {
      setCreditsExhausted: (exhausted) => {
        creditsExhausted = exhausted;
      },
      remove: instances.remove,
      setBilledPercent: (percent) => {
        billedPercent = percent;
      },
    },
    metered: meter.spans,
    inventory: () => ({
      simulated: true,
      instances: instances.all().map((instance) => inventoryInstance(instance, deps.nowMs())),
      calls: Object.fromEntries(calls),
    }),
  };
  return {
    simulator,
    snapshot: () => ({ instances: instances.all(), started }),
    findGuest: (name: string) => findGuest(instances, latency, deps.timers, name),
    close: () => http.setDown(true),
  };
}

/** Billed as running from the request on until the memory is written; what no marker of ours names, by its own id. */
function meteredInstances(instances: MorphInstances): ReadonlyMap<string, MeteredState> {
  return new Map(
    instances
      .all()
      .map((instance) => [meteredName(instance), instance.status === 'paused' ? 'paused' : 'running']),
  );
}

function meteredName({ id, metadata }: MorphInstance): string {
  return metadata[markerMetadataKey('guest')] ?? id;
}

/** The same ids in the same order for the same seed. */
function instanceId(seed: number, started: number): string {
  const digest = createHash('sha256').update(`${seed}:${started}`).digest('hex');
  return `morphvm_sim${digest.slice(0, 8)}`;
}

async function answer(
  routes: readonly MorphRoute[],
  apiKey: string,
  request: HostRequest,
): Promise<HostReply> {
  if (request.headers.authorization !== `Bearer ${apiKey}`) return errorReply(401, 'Invalid API key');
  const match = findRoute(routes, request);
  if (match === undefined) return errorReply(404, 'Not Found');
  try {
    return await match.route.handle(request, match.ids);
  } catch (error) {
    if (error instanceof MorphFailure) return errorReply(error.status, error.detail);
    throw error;
  }
}

function errorReply(status: number, detail: MorphFailure['detail']): HostReply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ detail }) };
}

/** `/instances` is an alias of `/instance`. */
function findRoute(routes: readonly MorphRoute[], { method, segments }: HostRequest) {
  if (segments[0] !== 'api') return undefined;
  const asked = segments
    .slice(1)
    .map((part, index) => (index === 0 && part === 'instances' ? 'instance' : part));
  for (const route of routes) {
    const parts = route.path.split('/').slice(1);
    if (route.method !== method || parts.length !== asked.length) continue;
    if (parts.every((part, index) => part.startsWith('{') || part === asked[index])) {
      return { route, ids: asked.filter((_, index) => parts[index]?.startsWith('{')) };
    }
  }
  return undefined;
}

function inventoryInstance(instance: MorphInstance, nowMs: number): MorphInventoryInstance {
  const { id, status, snapshotId, metadata, ttl, wakeOn, memory } = instance;
  const counter = counterOf(memory, nowMs);
  return { id, status, snapshotId, metadata, ttl, wakeOn, bootCount: memory.bootCount, counter };
}

/** How often a visitor that woke an instance looks whether it is up. */
const LOOK_AGAIN_MS = 20;

/** A request to any exposed service wakes a paused instance that has `wake_on_http`, and waits for it. */
function findGuest(
  instances: MorphInstances,
  latency: MorphLatency,
  timers: Timers,
  id: string,
): GatewayGuest | undefined {
  const instance = instances.find(id);
  if (instance === undefined) return undefined;
  const wake = async (): Promise<void> => {
    if (!instance.wakeOn.http) return;
    if (instances.find(id)?.status === 'paused' && instances.hasCredits()) instances.resume(id);
    const untilMs = performance.now() + latency.resumeMs * 2 + 1000;
    while (instances.find(id)?.status === 'pending' && performance.now() < untilMs) {
      await timers.sleep(LOOK_AGAIN_MS);
    }
  };
  return {
    name: id,
    memory: instance.memory,
    exposes: (port) => instance.services.some((service) => service.port === port),
    wake,
  };
}
