import { coldBoot, forget } from '../guest-memory.ts';
import type { GuestConfig, PveGuest } from './pve-guests.ts';
import type { PveWorld } from './pve-world.ts';

/** Power on and off, the same for VMs and containers, so that no path can keep memory it should lose. */

/** A cold boot applies what was pending, and takes memory of the node. */
export function bootCold(world: PveWorld, guest: PveGuest): void {
  const nowMs = world.nowMs();
  world.guests.change(guest.vmid, {
    config: applyPending(guest),
    pending: {},
    process: { pid: world.nextPid(), startedAtMs: nowMs, qmpStatus: 'running' },
    memory: coldBoot(guest.memory, nowMs, world.latency.servicesMs),
    checkpointed: false,
  });
  world.hostMemory.taken(guest.node);
}

export function powerOff(world: Pick<PveWorld, 'guests'>, guest: PveGuest): void {
  world.guests.change(guest.vmid, {
    config: applyPending(guest),
    pending: {},
    process: null,
    memory: forget(guest.memory),
  });
}

export function applyPending({ config, pending }: PveGuest): GuestConfig {
  const merged: Record<string, string | number | null> = { ...config, ...pending };
  const kept = Object.entries(merged).filter(
    (entry): entry is [string, string | number] => entry[1] !== null,
  );
  return Object.fromEntries(kept);
}
