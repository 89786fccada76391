import { coldBoot, forget, freeze, thaw } from '../../guest-memory.ts';
import type { GuestConfig, PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';

/** What happens to a VM's process and memory, in one place, so that no path can keep memory it should lose. */

/** A cold boot applies what was pending. */
export function bootCold(world: PveWorld, guest: PveGuest): void {
  const nowMs = world.nowMs();
  world.guests.change(guest.vmid, {
    config: applyPending(guest),
    pending: {},
    process: { pid: world.nextPid(), startedAtMs: nowMs, qmpStatus: 'running' },
    memory: coldBoot(guest.memory, nowMs, world.latency.servicesMs),
  });
}

export function powerOff(world: PveWorld, guest: PveGuest): void {
  world.guests.change(guest.vmid, {
    config: applyPending(guest),
    pending: {},
    process: null,
    memory: forget(guest.memory),
  });
}

/** `qm suspend` without `todisk`: the process stays, the CPUs stand still. */
export function pauseCpus(world: PveWorld, guest: PveGuest): void {
  if (guest.process === null) return;
  world.guests.change(guest.vmid, {
    process: { ...guest.process, qmpStatus: 'paused' },
    memory: freeze(guest.memory, world.nowMs()),
  });
}

export function continueCpus(world: PveWorld, guest: PveGuest): void {
  if (guest.process === null || guest.process.qmpStatus === 'running') return;
  world.guests.change(guest.vmid, {
    process: { ...guest.process, qmpStatus: 'running' },
    memory: thaw(guest.memory, world.nowMs()),
  });
}

/** The memory image is complete and QEMU has quit. */
export function quitWithImage(world: PveWorld, guest: PveGuest): void {
  world.guests.change(guest.vmid, { process: null, memory: freeze(guest.memory, world.nowMs()) });
}

/** QEMU is up and reads the memory image: `running` for `status`, `inmigrate` for QMP. */
export function beginLoadingImage(world: PveWorld, guest: PveGuest): void {
  world.guests.change(guest.vmid, {
    process: { pid: world.nextPid(), startedAtMs: world.nowMs(), qmpStatus: 'inmigrate' },
  });
}

export function applyPending({ config, pending }: PveGuest): GuestConfig {
  const merged: Record<string, string | number | null> = { ...config, ...pending };
  const kept = Object.entries(merged).filter(
    (entry): entry is [string, string | number] => entry[1] !== null,
  );
  return Object.fromEntries(kept);
}
