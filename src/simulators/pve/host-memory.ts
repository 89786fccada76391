import type { Timers } from '../timers.ts';
import { memoryBytes, type PveGuest, type PveGuests } from './pve-guests.ts';

/**
 * The memory of the nodes. Proxmox starts whatever it is told to: it overcommits. Only once guests have touched what
 * they were given does the kernel run out, and then the OOM killer takes the largest process, which is a guest.
 */
export interface HostMemory {
  readonly describe: (node: string) => {
    readonly total: number;
    readonly used: number;
    readonly free: number;
    readonly available: number;
  };
  /** A guest of this node was started, restored or moved here. */
  readonly taken: (node: string) => void;
  readonly oomKills: () => number;
}

export interface HostMemoryDeps {
  readonly guests: PveGuests;
  readonly timers: Timers;
  readonly random: () => number;
  readonly powerOff: (guest: PveGuest) => void;
}

/** What the hypervisor itself needs. */
const HOST_MEMORY_BYTES = 4 * 1024 ** 3;

export function createHostMemory(
  { guests, timers, random, powerOff }: HostMemoryDeps,
  options: { readonly memoryMibOf: (node: string) => number; readonly memoryFillMs: number },
): HostMemory {
  let kills = 0;
  const running = (node: string) =>
    guests.all().filter((guest) => guest.node === node && guest.process !== null);
  const bytesOf = (node: string) => options.memoryMibOf(node) * 1024 ** 2;
  const demand = (of: readonly PveGuest[]) =>
    of.reduce((sum, guest) => sum + memoryBytes(guest), HOST_MEMORY_BYTES);

  const makeRoom = (node: string): void => {
    let alive = running(node);
    while (demand(alive) > bytesOf(node)) {
      const victim = pickLargest(alive, random);
      if (victim === undefined) return;
      powerOff(victim);
      kills += 1;
      alive = alive.filter((guest) => guest !== victim);
    }
  };

  return {
    /** `free` only goes down to nothing, however much runs. */
    describe: (node) => {
      const total = bytesOf(node);
      const used = Math.min(demand(running(node)), total);
      return { total, used, free: total - used, available: total - used };
    },
    taken: (node) => {
      timers.after(options.memoryFillMs, () => makeRoom(node));
    },
    oomKills: () => kills,
  };
}

/** Of several equally large ones the seed decides. */
function pickLargest(guests: readonly PveGuest[], random: () => number): PveGuest | undefined {
  const size = Math.max(0, ...guests.map(memoryBytes));
  const largest = guests.filter((guest) => memoryBytes(guest) === size);
  return largest.length < 2 ? largest[0] : largest[Math.floor(random() * largest.length)];
}
