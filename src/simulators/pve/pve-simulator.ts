import type { FaultPlan } from '../fault-plan.ts';
import type { GatewayGuest } from '../gateway.ts';
import { freeze, servicesAnswer } from '../guest-memory.ts';
import { startHttpHost } from '../http-host.ts';
import { createMeter, type MeteredSpan, type MeteredState } from '../meter.ts';
import { makeCertificate } from '../self-signed.ts';
import { allPrivileges, createAccess } from './access.ts';
import { createClusterRoutes } from './cluster-routes.ts';
import { createPveWorld, type PveSimulatorDeps } from './create-world.ts';
import { inventoryGuest, type PveInventory } from './inventory.ts';
import { createLxcRoutes } from './lxc/lxc-routes.ts';
import { createNodeRoutes } from './node-routes.ts';
import { createOperator, type PveOperator } from './operator.ts';
import { isTemplate, lockOf, nameOf, type PveGuest } from './pve-guests.ts';
import { createPveHandler, formatPveError } from './pve-http.ts';
import type { PveOptions } from './pve-options.ts';
import { findRoute, type PveRoute } from './pve-routes.ts';
import type { PveWorld } from './pve-world.ts';
import { createQemuRoutes } from './qemu/qemu-routes.ts';
import { createRequestWorkers } from './request-workers.ts';
import { createTaskRoutes } from './task-routes.ts';

export interface PveSimulator {
  /** Origin only, as in `PVE_API_URL`; the API is below `/api2/json`. */
  readonly url: string;
  readonly token: string;
  /** What it serves HTTPS with (PEM), for a client to trust or to pin; undefined where it speaks HTTP. */
  readonly certificate: string | undefined;
  readonly setDown: (down: boolean) => Promise<void>;
  readonly inventory: () => PveInventory;
  readonly faults: FaultPlan;
  /** Who held memory, and whose lay on disk, by the hosts' own meter since this simulator started. */
  readonly metered: () => readonly MeteredSpan[];
  /** Acts on the host itself, past the API. */
  readonly operator: PveOperator;
}

export async function startPveSimulator(deps: PveSimulatorDeps, options: PveOptions, restored: unknown) {
  const meter = createMeter(deps.nowMs);
  let readMeter = () => {};
  const onChange = () => {
    readMeter();
    deps.onChange();
  };
  const { world, snapshot } = createPveWorld({ ...deps, onChange }, options, restored);
  readMeter = () => meter.read(meteredGuests(world));
  readMeter();
  const access = createAccess(options.acl ?? { '/': allPrivileges(world.version.major) });
  const routes = createPveRoutes(world);
  const calls = new Map<string, number>();
  const tls = options.tls === true ? makeCertificate(deps.host, deps.nowMs()) : options.tls || undefined;
  const http = await startHttpHost({
    ...(tls === undefined ? {} : { tls }),
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
        cluster: world.cluster,
        workers: createRequestWorkers(deps.timers, {
          perNode: options.requestWorkers ?? Number.POSITIVE_INFINITY,
          proxyTimeoutMs: world.latency.proxyTimeoutMs,
        }),
        access,
        delayAuthFailure: () => deps.timers.sleep(world.latency.authFailureMs),
      },
      options,
    ),
  });
  const simulator: PveSimulator = {
    url: http.origin,
    token: options.token,
    certificate: tls?.cert,
    setDown: http.setDown,
    faults: deps.faults,
    metered: meter.spans,
    operator: createOperator(world),
    inventory: () => ({
      simulated: true,
      guests: world.guests.all().map((guest) => inventoryGuest(guest, deps.nowMs())),
      calls: Object.fromEntries(calls),
      oomKills: world.hostMemory.oomKills(),
    }),
  };
  return {
    simulator,
    snapshot,
    findGuest: (name: string) => findGuest(world, name),
    close: () => http.setDown(true),
  };
}

function meteredGuests({ guests }: PveWorld): ReadonlyMap<string, MeteredState> {
  const stateOf = (guest: PveGuest): MeteredState =>
    guest.process !== null ? 'running' : lockOf(guest) === 'suspended' ? 'paused' : 'stored';
  return new Map(
    guests
      .all()
      .filter((guest) => !isTemplate(guest))
      .map((guest) => [nameOf(guest), stateOf(guest)]),
  );
}

/** Every endpoint there is. */
export function createPveRoutes(world: PveWorld): readonly PveRoute[] {
  return [
    ...createClusterRoutes(world),
    ...createNodeRoutes(world),
    ...createTaskRoutes(world),
    ...createQemuRoutes(world),
    ...createLxcRoutes(world),
  ];
}

function callName(routes: readonly PveRoute[], method: string, segments: readonly string[]): string {
  const match = findRoute(routes, method, segments);
  return match === undefined ? `${method} (unknown)` : `${method} ${match.route.path}`;
}

/** Names are not unique in Proxmox; the one that answers is preferred, as it would be on the network. */
function findGuest(world: PveWorld, name: string): GatewayGuest | undefined {
  const named = world.guests.all().filter((guest) => nameOf(guest) === name);
  const answers = ({ node, memory }: PveGuest) =>
    world.cluster.isOnline(node) && servicesAnswer(memory, world.nowMs());
  const guest = named.find(answers) ?? named[0];
  if (guest === undefined) return undefined;
  // A guest on a node that is cut off runs on, but nobody reaches it.
  const memory = answers(guest) ? guest.memory : freeze(guest.memory, world.nowMs());
  return { name, memory, exposes: () => true, wake: async () => {} };
}
