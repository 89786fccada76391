import { freeze, thaw } from '../../guest-memory.ts';
import type { PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';

/** What only VMs can: stand still, leave with a memory image, and come back from it. */

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
  world.hostMemory.taken(guest.node);
}
