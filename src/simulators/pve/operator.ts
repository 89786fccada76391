import { coldBoot, NEVER_BOOTED } from '../guest-memory.ts';
import { powerOff } from './guest-power.ts';
import type { GuestKind, PveGuest } from './pve-guests.ts';
import type { PveWorld } from './pve-world.ts';

/**
 * What a person (or bad luck) does on the host, past the API: tests of recovery need it, and "ask an operator to run
 * `qm unlock`" can be played through. Every action throws for an unknown VMID.
 */
export interface PveOperator {
  /** `qm unlock`, `pct unlock`. */
  readonly unlock: (vmid: number) => void;
  /** A lock word as a backup or a dead worker would leave it. */
  readonly lock: (vmid: number, word: string) => void;
  /** The OOM killer, or a pulled plug: stopped, memory gone, locks as they were. */
  readonly kill: (vmid: number) => void;
  /** The clock inside the guest: a long sleep in a moment. */
  readonly turnClockBack: (vmid: number, byMs: number) => void;
  /** Gone without any API call. */
  readonly remove: (vmid: number) => void;
  /** Moved to another node, as it is. */
  readonly migrate: (vmid: number, node: string) => void;
  /** Cut off from the cluster, and back. Its guests and tasks go on meanwhile; unknown nodes throw. */
  readonly setNodeOffline: (node: string, offline: boolean) => void;
  /** Without quorum nothing can be started, cloned or configured. */
  readonly setQuorum: (quorate: boolean) => void;
  /** Hands the guest to the HA manager, or takes it away from it. */
  readonly setHaManaged: (vmid: number, managed: boolean) => void;
  /** `qm set` or `pct set` by root: takes what no token may set, such as `features` or `hookscript`. */
  readonly configure: (vmid: number, options: Readonly<Record<string, string | number | undefined>>) => void;
  /** A guest nobody asked us for: someone else's VM or container. */
  readonly add: (guest: ForeignGuest) => void;
}

export interface ForeignGuest {
  readonly vmid: number;
  readonly name: string;
  /** Default `qemu`. */
  readonly kind?: GuestKind;
  /** Default: the first node. */
  readonly node?: string;
  /** Default 2048. */
  readonly memoryMib?: number;
  readonly description?: string;
  readonly tags?: string;
  readonly running?: boolean;
}

export function createOperator(world: PveWorld): PveOperator {
  const find = (vmid: number): PveGuest => {
    const guest = world.guests.get(vmid);
    if (guest === undefined) throw new Error(`no guest ${vmid}`);
    return guest;
  };
  return {
    unlock: (vmid) => world.guests.configure(find(vmid).vmid, { lock: undefined }),
    lock: (vmid, word) => world.guests.configure(find(vmid).vmid, { lock: word }),
    kill: (vmid) => powerOff(world, find(vmid)),
    turnClockBack: (vmid, byMs) => {
      const { memory } = find(vmid);
      const clockBehindMs = (memory.clockBehindMs ?? 0) + byMs;
      world.guests.change(vmid, { memory: { ...memory, clockBehindMs } });
    },
    remove: (vmid) => world.guests.remove(find(vmid).vmid),
    migrate: (vmid, node) => {
      world.guests.change(find(vmid).vmid, { node });
      world.hostMemory.taken(node);
    },
    setNodeOffline: world.cluster.setOffline,
    setQuorum: world.cluster.setQuorum,
    setHaManaged: (vmid, managed) => {
      const { process } = find(vmid);
      const state = process === null ? 'stopped' : 'started';
      world.guests.change(vmid, { ha: managed ? state : undefined });
    },
    configure: (vmid, options) => world.guests.configure(find(vmid).vmid, options),
    add: (foreign) => {
      const guest = foreignGuest(world, foreign);
      world.guests.put(guest);
      world.hostMemory.taken(guest.node);
    },
  };
}

function foreignGuest(world: PveWorld, foreign: ForeignGuest): PveGuest {
  const { vmid, kind = 'qemu', node = world.nodes[0] ?? 'pve1', description, tags } = foreign;
  const nowMs = world.nowMs();
  return {
    vmid,
    kind,
    node,
    config: {
      [kind === 'qemu' ? 'name' : 'hostname']: foreign.name,
      memory: String(foreign.memoryMib ?? 2048),
      cores: 1,
      ...(description === undefined ? {} : { description }),
      ...(tags === undefined ? {} : { tags }),
    },
    pending: {},
    process:
      foreign.running === true ? { pid: world.nextPid(), startedAtMs: nowMs, qmpStatus: 'running' } : null,
    memory: foreign.running === true ? coldBoot(NEVER_BOOTED, nowMs, world.latency.servicesMs) : NEVER_BOOTED,
    baseVmid: null,
    pool: null,
  };
}
