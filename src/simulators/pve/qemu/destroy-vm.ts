import { refuseWithoutQuorum } from '../cluster.ts';
import { refuseDestroyForHa } from '../ha.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, loadGuest, lockOf, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import type { VmCall } from './start-vm.ts';
import { withVmLock } from './vm-locks.ts';

/**
 * DELETE qemu/{vmid}. Running and protected VMs are refused before the fork, locked ones inside the task (Qemu.pm
 * destroy_vm); a hibernated VM may go, with its memory image.
 */
export function destroyVm(
  world: PveWorld,
  { node, vmid, user }: VmCall,
  { purge }: { readonly purge: boolean },
): string {
  checkDestroy(world, { node, vmid, purge });
  return world.tasks.fork({ node, type: 'qmdestroy', id: String(vmid), user }, (worker) =>
    withVmLock(world, { node, vmid, signal: worker.signal }, async () => {
      const guest = checkDestroy(world, { node, vmid, purge });
      if (lockOf(guest) !== 'suspended') checkLock(guest);
      refuseBase(world, guest);
      refuseWithoutQuorum(world, guest);
      await worker.spend(world.latency.destroyMs, 'middle');
      // Disks are gone; what is left of the configuration says so until access rights are cleaned up too.
      world.guests.change(vmid, { config: { lock: 'destroyed' }, pending: {} });
      await worker.spend(0, 'end');
      world.guests.remove(vmid);
    }),
  );
}

function checkDestroy(
  world: PveWorld,
  { node, vmid, purge }: { readonly node: string; readonly vmid: number; readonly purge: boolean },
): PveGuest {
  const guest = loadGuest(world.guests, node, 'qemu', vmid);
  if (guest.config.protection === 1) {
    throw new PveFailure(`can't remove VM ${vmid} - protection mode enabled`);
  }
  refuseDestroyForHa(guest, purge);
  if (guest.process !== null) throw new PveFailure(`VM ${vmid} is running - destroy failed`);
  return guest;
}

function refuseBase(world: PveWorld, guest: PveGuest): void {
  if (!world.guests.all().some((other) => other.baseVmid === guest.vmid)) return;
  const volume = String(guest.config.scsi0 ?? '').split(',')[0];
  throw new PveFailure(`base volume '${volume}' is still in use by linked cloned`);
}
