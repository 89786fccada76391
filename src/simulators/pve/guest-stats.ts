import { diskBytes, isTemplate, memoryBytes, nameOf, type PveGuest } from './pve-guests.ts';
import type { PveWorld } from './pve-world.ts';

/** One kilobyte a second. */
const IDLE_BYTES_PER_MS = 1;

/** What pvestatd last broadcast about a guest: everything in a resources row that may be old. */
export type GuestStats = Readonly<Record<string, unknown>>;

/**
 * With a lag the figures are those of the last broadcast, and a guest younger than that has none. Those of an offline
 * node stay as they were when it was last heard of, and are dropped after a while.
 */
export function createGuestStats(world: PveWorld): (guest: PveGuest) => GuestStats | undefined {
  const { cluster, latency } = world;
  const collect = (of: readonly PveGuest[]) =>
    new Map(of.map((guest) => [guest.vmid, guestStats(world, guest)]));
  let broadcast = new Map<number, GuestStats>();
  if (latency.statsLagMs > 0) {
    broadcast = collect(world.guests.all());
    world.timers.every(latency.statsLagMs, () => {
      const silent = world.guests.all().filter(({ node }) => !cluster.isOnline(node));
      const kept = silent.flatMap(({ vmid }) => {
        const stats = broadcast.get(vmid);
        return stats === undefined ? [] : [[vmid, stats] as const];
      });
      const heard = world.guests.all().filter(({ node }) => cluster.isOnline(node));
      broadcast = new Map([...collect(heard), ...kept]);
    });
  } else {
    cluster.beforeOffline((node) => {
      broadcast = new Map([
        ...broadcast,
        ...collect(world.guests.all().filter((guest) => guest.node === node)),
      ]);
    });
  }
  return (guest) => {
    const offlineSinceMs = cluster.offlineSinceMs(guest.node);
    if (offlineSinceMs !== undefined && world.nowMs() - offlineSinceMs >= latency.statsKeptMs)
      return undefined;
    if (offlineSinceMs === undefined && latency.statsLagMs <= 0) return guestStats(world, guest);
    return broadcast.get(guest.vmid);
  };
}

function guestStats(world: PveWorld, guest: PveGuest): GuestStats {
  const { process } = guest;
  const maxmem = memoryBytes(guest);
  return {
    // For VMs this is the QMP status (paused, inmigrate …), not just running or stopped.
    status: process?.qmpStatus ?? 'stopped',
    name: nameOf(guest),
    template: isTemplate(guest) ? 1 : 0,
    uptime: process === null ? 0 : Math.floor((world.nowMs() - process.startedAtMs) / 1000),
    cpu: process === null ? 0 : 0.02,
    maxcpu: Number(guest.config.cores ?? 1) * Number(guest.config.sockets ?? 1),
    mem: process === null ? 0 : Math.round(maxmem * 0.6),
    maxmem,
    disk: 0,
    maxdisk: diskBytes(guest),
    // A trickle, as of a machine that is only there.
    netin: process === null ? 0 : Math.round((world.nowMs() - process.startedAtMs) * IDLE_BYTES_PER_MS),
    netout: 0,
    diskread: 0,
    diskwrite: 0,
    ...(world.version.major >= 9 ? { memhost: process === null ? 0 : Math.round(maxmem * 0.65) } : {}),
  };
}
