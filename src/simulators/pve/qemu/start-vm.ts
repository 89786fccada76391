import { checkQuorum } from '../cluster.ts';
import { bootCold } from '../guest-power.ts';
import { isHaManaged, requestHa } from '../ha.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, isTemplate, loadGuest, lockOf, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { TaskKilled, type Worker } from '../tasks.ts';
import { requireVm, withVmLock } from './vm-locks.ts';
import { beginLoadingImage, continueCpus } from './vm-process.ts';

export interface VmCall {
  readonly node: string;
  readonly vmid: number;
  readonly user: string;
}

/** POST status/start: nothing of the VM is checked before the fork, not even that it exists. */
export function startVm(world: PveWorld, call: VmCall): string {
  checkQuorum(world);
  if (isHaManaged(world.guests.on(call.node, 'qemu', call.vmid))) {
    return requestHa(world, call, 'started', (later) => forkStart(world, later));
  }
  return forkStart(world, call);
}

function forkStart(world: PveWorld, { node, vmid, user }: VmCall): string {
  return world.tasks.fork({ node, type: 'qmstart', id: String(vmid), user }, (worker) =>
    startUnderLock(world, worker, node, vmid),
  );
}

/**
 * POST status/resume: of a hibernated VM (starts it from its image), of a paused one (its CPUs go on), or of a
 * running one (nothing to do). A VM that is merely stopped is refused before the fork.
 */
export async function resumeVm(world: PveWorld, { node, vmid, user }: VmCall): Promise<string> {
  const hibernated = await isHibernated(world, node, vmid);
  const guest = requireVm(world.guests, node, vmid);
  if (!hibernated && guest.process === null) throw new PveFailure(`VM ${vmid} not running`);
  return world.tasks.fork({ node, type: 'qmresume', id: String(vmid), user }, (worker) => {
    if (hibernated) return startUnderLock(world, worker, node, vmid);
    return withVmLock(world, { node, vmid, signal: worker.signal }, async () => {
      const current = loadGuest(world.guests, node, 'qemu', vmid);
      if (lockOf(current) !== 'backup') checkLock(current);
      await worker.spend(0, 'end');
      continueCpus(world, current);
    });
  });
}

/**
 * Reads the lock word under the file lock and swallows a failed wait, so a busy hibernated VM is called
 * "not running" (Qemu.pm vm_resume).
 */
async function isHibernated(world: PveWorld, node: string, vmid: number): Promise<boolean> {
  try {
    return await withVmLock(world, { node, vmid }, async () => {
      return lockOf(loadGuest(world.guests, node, 'qemu', vmid)) === 'suspended';
    });
  } catch {
    return false;
  }
}

/** QemuServer.pm vm_start: a VM with lock `suspended` is resumed by a start as well. */
function startUnderLock(world: PveWorld, worker: Worker, node: string, vmid: number): Promise<void> {
  return withVmLock(world, { node, vmid, signal: worker.signal }, async () => {
    const guest = loadGuest(world.guests, node, 'qemu', vmid);
    if (isTemplate(guest)) throw new PveFailure("you can't start a vm if it's a template");
    const lock = lockOf(guest);
    if (lock === 'backup' && guest.process !== null) return continueCpus(world, guest);
    if (lock !== 'suspended') checkLock(guest);
    if (guest.process !== null) throw new PveFailure(`VM ${vmid} already running`);
    if (lock === 'suspended') return loadImage(world, worker, guest);
    await worker.spend(world.latency.startMs, 'end');
    bootCold(world, loadGuest(world.guests, node, 'qemu', vmid));
  });
}

/** A failed load leaves image and lock in place, so it can be tried again. */
async function loadImage(world: PveWorld, worker: Worker, guest: PveGuest): Promise<void> {
  const { node, vmid } = guest;
  worker.log('Resuming suspended VM');
  beginLoadingImage(world, guest);
  try {
    await worker.spend(world.latency.resumeMs / 2, 'middle');
    await worker.spend(world.latency.resumeMs / 2, 'end');
  } catch (error) {
    const current = loadGuest(world.guests, node, 'qemu', vmid);
    // QEMU lives in a scope of its own: it goes on when only the worker is killed, and the lock word stays.
    if (error instanceof TaskKilled) continueCpus(world, current);
    else world.guests.change(vmid, { process: null });
    throw error;
  }
  continueCpus(world, loadGuest(world.guests, node, 'qemu', vmid));
  worker.log('Resumed VM, removing state');
  world.guests.configure(vmid, {
    lock: undefined,
    vmstate: undefined,
    runningmachine: undefined,
    runningcpu: undefined,
  });
}
