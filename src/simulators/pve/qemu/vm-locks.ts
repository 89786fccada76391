import type { FlockRequest } from '../flocks.ts';
import { PveFailure } from '../pve-failure.ts';
import type { PveGuest, PveGuests } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';

/** The lock nearly every change of a VM is made under; 10 s of waiting by default. */
export function withVmLock<T>(
  world: PveWorld,
  at: { readonly node: string; readonly vmid: number } & Partial<
    Pick<FlockRequest, 'mode' | 'waitMs' | 'signal'>
  >,
  body: () => Promise<T>,
): Promise<T> {
  const { node, vmid, mode = 'exclusive', waitMs = world.latency.flockWaitMs, signal } = at;
  const file = `/var/lock/qemu-server/lock-${vmid}.conf`;
  return world.flocks.hold({ node, file, mode, waitMs, ...(signal === undefined ? {} : { signal }) }, body);
}

/** `check_running` asserts that the configuration is on this node, in words of its own. */
export function requireVm(guests: PveGuests, node: string, vmid: number): PveGuest {
  const guest = guests.on(node, 'qemu', vmid);
  if (guest !== undefined) return guest;
  throw new PveFailure(`unable to find configuration file for VM ${vmid} on node '${node}'`);
}
