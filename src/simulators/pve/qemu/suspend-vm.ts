import type { Access } from '../access.ts';
import { refuseWithoutQuorum } from '../cluster.ts';
import { isHaManaged } from '../ha.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, loadGuest, lockOf, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { TaskKilled, type Worker } from '../tasks.ts';
import type { VmCall } from './start-vm.ts';
import { requireVm, withVmLock } from './vm-locks.ts';
import { pauseCpus, quitWithImage } from './vm-process.ts';

/**
 * POST status/suspend. To disk: lock `suspending` while memory is written and the VM still runs; then QEMU quits
 * and the lock says `suspended`. There is no such status: a hibernated VM is *stopped* with that lock. A failure
 * while writing leaves the lock `suspending` on purpose, and no API token can remove it.
 */
export function suspendVm(
  world: PveWorld,
  { node, vmid, user }: VmCall,
  options: { readonly toDisk: boolean; readonly stateStorage: string | undefined; readonly access: Access },
): string {
  const guest = requireVm(world.guests, node, vmid);
  if (guest.process === null) throw new PveFailure(`VM ${vmid} not running`);
  const storage = options.stateStorage ?? String(guest.config.vmstatestorage ?? 'local-lvm');
  if (options.toDisk) {
    options.access.require(`/vms/${vmid}`, 'VM.Config.Disk');
    options.access.require(`/storage/${storage}`, 'Datastore.AllocateSpace');
    world.storages.describe(node, storage);
    if (isHaManaged(guest)) throw new PveFailure('Cannot suspend HA managed VM to disk');
    refusePassthrough(guest);
  }
  const type = options.toDisk ? 'qmsuspend' : 'qmpause';
  return world.tasks.fork({ node, type, id: String(vmid), user }, (worker) => {
    if (options.toDisk) return suspendToDisk(world, worker, { node, vmid, storage });
    return withVmLock(world, { node, vmid, signal: worker.signal }, async () => {
      const current = loadGuest(world.guests, node, 'qemu', vmid);
      checkLock(current);
      await worker.spend(0, 'end');
      pauseCpus(world, current);
    });
  });
}

interface SuspendAt {
  readonly node: string;
  readonly vmid: number;
  readonly storage: string;
}

/** The file lock is held only at the begin and at the end; the lock word guards the time between. */
async function suspendToDisk(
  world: PveWorld,
  worker: Worker,
  { node, vmid, storage }: SuspendAt,
): Promise<void> {
  const at = { node, vmid, signal: worker.signal };
  await withVmLock(world, at, async () => {
    const guest = loadGuest(world.guests, node, 'qemu', vmid);
    if (lockOf(guest) === 'backup') throw new PveFailure('cannot suspend to disk during backup');
    checkLock(guest);
    if (guest.process === null) throw new PveFailure(`VM ${vmid} not running`);
    refuseWithoutQuorum(world, guest);
    refuseVirtiofs(guest);
    world.storages.reserveVmState(guest, storage);
    const date = new Date(world.nowMs()).toISOString().slice(0, 10);
    world.guests.configure(vmid, {
      lock: 'suspending',
      vmstate: `${storage}:vm-${vmid}-state-suspend-${date}`,
      runningmachine: 'pc-i440fx-9.2+pve1',
      runningcpu: 'kvm64,enforce',
    });
  });
  worker.log('State-file saved in the background');
  try {
    await worker.spend(world.latency.suspendMs / 2, 'middle');
    await worker.spend(world.latency.suspendMs / 2, 'end');
  } catch (error) {
    if (!(error instanceof TaskKilled)) dropImage(world, vmid);
    throw error;
  }
  await withVmLock(world, at, async () => {
    const guest = loadGuest(world.guests, node, 'qemu', vmid);
    if (lockOf(guest) !== 'suspending') throw new PveFailure('lock changed unexpectedly');
    if (guest.process === null) {
      // QEMU died while it wrote: there is no whole image, and the lock stays as after any failed save.
      dropImage(world, vmid);
      throw new PveFailure(`VM ${vmid} not running`);
    }
    try {
      world.storages.writeVmState(guest, storage);
    } catch (error) {
      dropImage(world, vmid);
      throw error;
    }
    quitWithImage(world, guest);
    world.guests.configure(vmid, { lock: 'suspended' });
  });
}

function dropImage(world: PveWorld, vmid: number): void {
  world.guests.configure(vmid, { vmstate: undefined, runningmachine: undefined, runningcpu: undefined });
}

/** What QEMU cannot save (QemuMigrate's list of blockers) is found only in the task. */
function refuseVirtiofs({ config }: PveGuest): void {
  if (!Object.keys(config).some((key) => /^virtiofs\d+$/.test(key))) return;
  throw new PveFailure('Cannot live-migrate, snapshot (with RAM), or hibernate a VM with: virtiofs');
}

function refusePassthrough({ config }: PveGuest): void {
  if (!Object.keys(config).some((key) => /^hostpci\d+$/.test(key))) return;
  throw new PveFailure(
    'cannot suspend VM to disk due to passed-through PCI device(s), which lack the possibility to save/restore their internal state',
  );
}
