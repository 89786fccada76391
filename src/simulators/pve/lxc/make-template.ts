import { PveFailure } from '../pve-failure.ts';
import { checkLock, isTemplate, loadGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { type CtCall, withCtLock } from './ct-locks.ts';

/** POST template forks a task but does not tell its name: the call answers null (LXC.pm template). */
export async function makeTemplate(world: PveWorld, { node, vmid, user }: CtCall): Promise<null> {
  await withCtLock(world, { node, vmid }, async () => {
    const guest = loadGuest(world.guests, node, 'lxc', vmid);
    checkLock(guest);
    if (isTemplate(guest)) throw new PveFailure("you can't convert a template to a template");
    if (guest.process !== null) {
      throw new PveFailure("you can't convert a CT to template if the CT is running");
    }
    world.tasks.fork({ node, type: 'vztemplate', id: String(vmid), user }, async (worker) => {
      await worker.spend(0, 'end');
      const rootfs = String(guest.config.rootfs ?? '').replace(/(?:[^:/]+\/)?vm-/, 'base-');
      world.guests.configure(vmid, { template: 1, rootfs });
    });
  });
  return null;
}
