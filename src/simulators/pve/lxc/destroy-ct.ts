import { refuseWithoutQuorum } from '../cluster.ts';
import { powerOff } from '../guest-power.ts';
import { refuseDestroyForHa } from '../ha.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, loadGuest, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { rootVolume } from './copy-ct-disks.ts';
import { type CtCall, withCtLock } from './ct-locks.ts';

export interface CtDestroyOptions {
  /** Kills a running container first. */
  readonly force: boolean;
  readonly purge: boolean;
}

/**
 * DELETE lxc/{vmid}. All checks come before the fork, the lock word's too, and once more in the task (LXC.pm
 * destroy_vm).
 */
export function destroyCt(world: PveWorld, { node, vmid, user }: CtCall, options: CtDestroyOptions): string {
  checkDestroy(loadGuest(world.guests, node, 'lxc', vmid), options);
  return world.tasks.fork({ node, type: 'vzdestroy', id: String(vmid), user }, (worker) =>
    withCtLock(world, { node, vmid, signal: worker.signal }, async () => {
      const guest = loadGuest(world.guests, node, 'lxc', vmid);
      checkDestroy(guest, options);
      if (guest.process !== null) {
        worker.log(`forced to stop CT ${vmid} before destroying!`);
        powerOff(world, guest);
      }
      refuseBase(world, guest);
      refuseWithoutQuorum(world, guest);
      await worker.spend(world.latency.destroyMs, 'middle');
      world.guests.change(vmid, { config: { lock: 'destroyed' }, pending: {} });
      if (options.purge) worker.log(`purging CT ${vmid} from related configurations..`);
      await worker.spend(0, 'end');
      world.guests.remove(vmid);
    }),
  );
}

function checkDestroy(guest: PveGuest, { force, purge }: CtDestroyOptions): void {
  const { vmid } = guest;
  if (guest.config.protection === 1) {
    throw new PveFailure(`can't remove CT ${vmid} - protection mode enabled`);
  }
  checkLock(guest);
  refuseDestroyForHa(guest, purge);
  if (!force && guest.process !== null) {
    throw new PveFailure(`unable to destroy CT ${vmid} - container is running`);
  }
}

/** Storage.pm vdisk_free. (A real thin pool would let a base go that clones still refer to.) */
function refuseBase(world: PveWorld, guest: PveGuest): void {
  if (!world.guests.all().some((other) => other.baseVmid === guest.vmid)) return;
  const volume = rootVolume(guest).replace(/^[^:]+:/, '');
  throw new PveFailure(`base volume '${volume}' is still in use by linked clones`);
}
