import { z } from 'zod';
import type { FaultPlan, FaultSource } from '../fault-plan.ts';
import type { Timers } from '../timers.ts';
import { createCluster } from './cluster.ts';
import { createFlocks } from './flocks.ts';
import { powerOff } from './guest-power.ts';
import { createHostMemory } from './host-memory.ts';
import { createPveGuests, type PveGuest } from './pve-guests.ts';
import { DEFAULT_PVE_LATENCY, type PerNode, type PveOptions } from './pve-options.ts';
import type { PveVersion, PveWorld } from './pve-world.ts';
import { createStorages } from './storages.ts';
import { createTasks, type TaskRecord } from './tasks.ts';
import { templateGuest } from './templates.ts';

export interface PveSimulatorDeps {
  readonly host: string;
  readonly timers: Timers;
  readonly nowMs: () => number;
  readonly faults: FaultPlan & FaultSource;
  /** Seeded. */
  readonly random: () => number;
  readonly onChange: () => void;
}

/** What the data file keeps. Deeper checks would only repeat the types: we wrote the file. */
const savedState = z.object({
  guests: z.array(z.custom<PveGuest>((value) => typeof value === 'object')),
  tasks: z.array(z.custom<TaskRecord>((value) => typeof value === 'object')),
  lastPid: z.int(),
});

/** The world as the options and the data file have it, and how to save it again. */
export function createPveWorld(deps: PveSimulatorDeps, options: PveOptions, restored: unknown) {
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
    cluster: createCluster(nodes, deps.nowMs),
    guests,
    tasks,
    flocks: createFlocks(),
    storages: createStorages(guests, { storageGibOf: perNode(options.storageGib, 1024) }),
    hostMemory: createHostMemory(
      { ...deps, guests, powerOff: (guest) => powerOff({ guests }, guest) },
      { memoryMibOf: perNode(options.nodeMemoryMib, 128 * 1024), memoryFillMs: latency.memoryFillMs },
    ),
    latency,
    timers: deps.timers,
    nowMs: deps.nowMs,
    nextPid,
    version: parseVersion(version),
    pools: options.pools ?? [],
    nodeCores: options.nodeCores ?? 32,
    bootedAtMs: deps.nowMs(),
  };
  return { world, snapshot: () => ({ guests: guests.all(), tasks: tasks.snapshot(), lastPid }) };
}

function perNode(option: PerNode | undefined, fallback: number): (node: string) => number {
  if (typeof option === 'number') return () => option;
  return (node) => option?.[node] ?? fallback;
}

function parseVersion(text: string): PveVersion {
  const [major = 9, minor = 0] = text.split('.').map(Number);
  return { text, major, minor };
}
