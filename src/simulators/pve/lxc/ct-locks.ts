import type { FlockRequest } from '../flocks.ts';
import { PveFailure } from '../pve-failure.ts';
import type { PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';

export interface CtCall {
  readonly node: string;
  readonly vmid: number;
  readonly user: string;
}

/** The file lock of a container's configuration; unlike a VM's it lies below `/run/lock/lxc`. */
export function withCtLock<T>(
  world: PveWorld,
  at: { readonly node: string; readonly vmid: number } & Partial<Pick<FlockRequest, 'waitMs' | 'signal'>>,
  body: () => Promise<T>,
): Promise<T> {
  const { node, vmid, waitMs = world.latency.flockWaitMs, signal } = at;
  const file = `/run/lock/lxc/pve-config-${vmid}.lock`;
  return world.flocks.hold({ node, file, waitMs, ...(signal === undefined ? {} : { signal }) }, body);
}

/** `check_running` looks for a process and nothing else: a container that is not there is "not running" too. */
export function isRunning(world: PveWorld, node: string, vmid: number): boolean {
  return (world.guests.on(node, 'lxc', vmid)?.process ?? null) !== null;
}

export function requireRunning(world: PveWorld, { node, vmid }: CtCall): void {
  if (!isRunning(world, node, vmid)) throw new PveFailure(`CT ${vmid} not running`);
}

export function refuseRunning(world: PveWorld, { node, vmid }: CtCall): void {
  if (isRunning(world, node, vmid)) throw new PveFailure(`CT ${vmid} already running`);
}

/** A `mounted` container may be started and stopped all the same (LXC/Status.pm). */
export function isMounted({ config }: PveGuest): boolean {
  return config.lock === 'mounted';
}
