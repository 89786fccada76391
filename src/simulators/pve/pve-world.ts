import type { Timers } from '../timers.ts';
import type { Cluster } from './cluster.ts';
import type { Flocks } from './flocks.ts';
import type { HostMemory } from './host-memory.ts';
import { PveFailure } from './pve-failure.ts';
import type { PveGuests } from './pve-guests.ts';
import type { PveLatency } from './pve-options.ts';
import type { Storages } from './storages.ts';
import type { Tasks } from './tasks.ts';

/** What every endpoint acts on. */
export interface PveWorld {
  readonly nodes: readonly string[];
  readonly cluster: Cluster;
  readonly guests: PveGuests;
  readonly tasks: Tasks;
  readonly flocks: Flocks;
  readonly storages: Storages;
  readonly hostMemory: HostMemory;
  readonly latency: PveLatency;
  readonly timers: Timers;
  readonly nowMs: () => number;
  readonly nextPid: () => number;
  readonly version: PveVersion;
  readonly pools: readonly string[];
  readonly nodeCores: number;
  /** When the simulated nodes were switched on. */
  readonly bootedAtMs: number;
}

export interface PveVersion {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
}

/** `localhost` stands for the node that was addressed; an unknown name fails like its DNS lookup. */
export function resolveNode(world: Pick<PveWorld, 'nodes'>, name: string): string {
  const [first = 'pve1'] = world.nodes;
  if (name === 'localhost') return first;
  if (world.nodes.includes(name)) return name;
  throw new PveFailure(
    `hostname lookup '${name}' failed - failed to get address info for: ${name}: Name or service not known`,
  );
}
