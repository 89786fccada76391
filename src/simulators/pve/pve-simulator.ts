import { z } from 'zod';
import type { FaultPlan, FaultSource } from '../fault-plan.ts';
import type { GatewayGuest } from '../gateway.ts';
import { counterOf, servicesAnswer } from '../guest-memory.ts';
import { startHttpHost } from '../http-host.ts';
import type { Timers } from '../timers.ts';
import { allPrivileges, createAccess } from './access.ts';
import { createClusterRoutes } from './cluster-routes.ts';
import { createFlocks } from './flocks.ts';
import { createNodeRoutes } from './node-routes.ts';
import { createOperator, type PveOperator } from './operator.ts';
import { createPveGuests, isTemplate, lockOf, nameOf, type PveGuest, templateGuest } from './pve-guests.ts';
import { createPveHandler, formatPveError } from './pve-http.ts';
import { DEFAULT_PVE_LATENCY, type PveOptions } from './pve-options.ts';
import { findRoute, type PveRoute } from './pve-routes.ts';
import type { PveWorld } from './pve-world.ts';
import { createQemuRoutes } from './qemu/qemu-routes.ts';
import { createStorages } from './storages.ts';
import { createTaskRoutes } from './task-routes.ts';
import { createTasks, type TaskRecord } from './tasks.ts';

export interface PveSimulator {
  /** Origin only, as in `PVE_API_URL`; the API is below `/api2/json`. */
  readonly url: string;
  readonly token: string;
  readonly setDown: (down: boolean) => Promise<void>;
  readonly inventory: () => PveInventory;
  readonly faults: FaultPlan;
  /** Acts on the host itself, past the API. */
  readonly operator: PveOperator;
}

/** Ground truth, whatever the API says. */
export interface PveInventory {
  readonly simulated: true;
  readonly guests: readonly PveInventoryGuest[];
  /** Requests by method and endpoint, faulted ones included: `POST /nodes/{node}/qemu/{vmid}/clone`. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface PveInventoryGuest {
  readonly vmid: number;
  readonly kind: 'qemu' | 'lxc';
  readonly name: string;
  readonly node: string;
  readonly template: boolean;
  readonly status: 'running' | 'stopped';
  readonly lock?: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly protection: boolean;
  readonly bootCount: number;
  /** Ticks of 100 ms that the guest's memory has counted; 0 when it has none. */
  readonly counter: number;
}

export interface PveSimulatorDeps {
  readonly host: string;
  readonly timers: Timers;
  readonly nowMs: () => number;
  readonly faults: FaultPlan & FaultSource;
  readonly onChange: () => void;
}

/** What the data file keeps. Deeper checks would only repeat the types: we wrote the file. */
const savedState = z.object({
  guests: z.array(z.custom<PveGuest>((value) => typeof value === 'object')),
  tasks: z.array(z.custom<TaskRecord>((value) => typeof value === 'object')),
  lastPid: z.int(),
});

export async function startPveSimulator(deps: PveSimulatorDeps, options: PveOptions, restored: unknown) {
  const { world, snapshot } = createWorld(deps, options, restored);
  const access = createAccess(options.acl ?? { '/': allPrivileges(world.version.major) });
  const routes = createPveRoutes(world);
  const calls = new Map<string, number>();
  const http = await startHttpHost({
    host: deps.host,
    port: options.port ?? 0,
    keepAliveMs: 5000,
    maxRequestsPerConnection: 100,
    timers: deps.timers,
    faults: deps.faults,
    formatError: formatPveError,
    onRequest: ({ method, segments }) => {
      const name = callName(routes, method, segments.slice(2));
      calls.set(name, (calls.get(name) ?? 0) + 1);
    },
    handle: createPveHandler(
      {
        routes,
        nodes: world.nodes,
        access,
        delayAuthFailure: () => deps.timers.sleep(world.latency.authFailureMs),
      },
      options,
    ),
  });
  const simulator: PveSimulator = {
    url: http.origin,
    token: options.token,
    setDown: http.setDown,
    faults: deps.faults,
    operator: createOperator(world),
    inventory: () => ({
      simulated: true,
      guests: world.guests.all().map((guest) => inventoryGuest(guest, deps.nowMs())),
      calls: Object.fromEntries(calls),
    }),
  };
  return {
    simulator,
    snapshot,
    findGuest: (name: string) => findGuest(world, name),
    close: () => http.setDown(true),
  };
}

/** Every endpoint there is; container endpoints join here. */
export function createPveRoutes(world: PveWorld): readonly PveRoute[] {
  return [
    ...createClusterRoutes(world),
    ...createNodeRoutes(world),
    ...createTaskRoutes(world),
    ...createQemuRoutes(world),
  ];
}

function createWorld(deps: PveSimulatorDeps, options: PveOptions, restored: unknown) {
  const saved =
    restored === undefined ? { guests: [], tasks: [], lastPid: 1000 } : savedState.parse(restored);
  const nodes = options.nodes ?? ['pve1'];
  const guests = createPveGuests(saved.guests, deps.onChange);
  for (const template of options.templates) {
    if (guests.get(template.vmid) === undefined) guests.put(templateGuest(template, nodes[0] ?? 'pve1'));
  }
  let lastPid = saved.lastPid;
  const nextPid = () => {
    lastPid += 1;
    return lastPid;
  };
  const latency = { ...DEFAULT_PVE_LATENCY, ...options.latency };
  const version = options.version ?? '9.2.3';
  const tasks = createTasks({ ...deps, nextPid }, { forkMs: latency.forkMs, restored: saved.tasks });
  const world: PveWorld = {
    nodes,
    guests,
    tasks,
    flocks: createFlocks(),
    storages: createStorages(guests, { storageGib: options.storageGib ?? 1024 }),
    latency,
    timers: deps.timers,
    nowMs: deps.nowMs,
    nextPid,
    version: { text: version, major: Number(version.split('.')[0]) },
    pools: options.pools ?? [],
    nodeMemoryMib: options.nodeMemoryMib ?? 128 * 1024,
    nodeCores: options.nodeCores ?? 32,
    bootedAtMs: deps.nowMs(),
  };
  return { world, snapshot: () => ({ guests: guests.all(), tasks: tasks.snapshot(), lastPid }) };
}

function callName(routes: readonly PveRoute[], method: string, segments: readonly string[]): string {
  const match = findRoute(routes, method, segments);
  return match === undefined ? `${method} (unknown)` : `${method} ${match.route.path}`;
}

function inventoryGuest(guest: PveGuest, nowMs: number): PveInventoryGuest {
  const lock = lockOf(guest);
  return {
    vmid: guest.vmid,
    kind: guest.kind,
    name: nameOf(guest),
    node: guest.node,
    template: isTemplate(guest),
    status: guest.process === null ? 'stopped' : 'running',
    ...(lock === undefined ? {} : { lock }),
    description: String(guest.config.description ?? ''),
    tags: String(guest.config.tags ?? '')
      .split(';')
      .filter(Boolean),
    protection: guest.config.protection === 1,
    bootCount: guest.memory.bootCount,
    counter: counterOf(guest.memory, nowMs),
  };
}

/** Names are not unique in Proxmox; the one that answers is preferred, as it would be on the network. */
function findGuest(world: PveWorld, name: string): GatewayGuest | undefined {
  const named = world.guests.all().filter((guest) => guest.config.name === name);
  const guest = named.find(({ memory }) => servicesAnswer(memory, world.nowMs())) ?? named[0];
  if (guest === undefined) return undefined;
  return { name, memory: guest.memory, exposes: () => true, wake: async () => {} };
}
