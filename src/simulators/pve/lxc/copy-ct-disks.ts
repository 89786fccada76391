import { PveFailure } from '../pve-failure.ts';
import { loadGuest, lockOf, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { TaskKilled, type Worker } from '../tasks.ts';

export interface CtCopy {
  readonly node: string;
  readonly source: PveGuest;
  readonly newid: number;
  readonly pool: string | undefined;
  readonly isFull: boolean;
  readonly wasRunning: boolean;
}

/** Share of the time until the root disk is copied; then it is mounted once to set hostname and machine id. */
const DISK_SHARE = 0.7;

/** The worker's part of a clone: the disks, and at the very end the lock words. */
export async function copyCtDisks(world: PveWorld, worker: Worker, copy: CtCopy): Promise<void> {
  const { node, source, newid, pool, isFull } = copy;
  const isThere = (world.guests.get(source.vmid)?.process ?? null) !== null;
  if (isThere !== copy.wasRunning) throw new PveFailure('unexpected state change');
  if (world.version.major >= 9) {
    worker.log(`creating a clone of container ${source.vmid} with ID ${newid}`);
  }
  worker.log(
    isFull
      ? `create full clone of mountpoint rootfs (${rootVolume(source)})`
      : `create linked clone of mount point rootfs (${rootVolume(source)})`,
  );
  try {
    await worker.spend(world.latency.ctCloneMs * DISK_SHARE, 'middle');
    requireCreateLock(world, node, newid);
    world.guests.configure(newid, { rootfs: clonedVolume(source, newid, isFull) });
    await worker.spend(world.latency.ctCloneMs * (1 - DISK_SHARE), 'end');
    requireCreateLock(world, node, newid);
  } catch (error) {
    if (error instanceof TaskKilled) throw error;
    unlockSource(world, source.vmid);
    if (lockOfTarget(world, node, newid) === 'create') world.guests.remove(newid);
    throw new PveFailure(cloneFailure(error));
  }
  unlockSource(world, source.vmid);
  if (pool !== undefined) world.guests.change(newid, { pool });
  world.guests.configure(newid, { lock: undefined });
}

function unlockSource(world: PveWorld, vmid: number): void {
  const source = world.guests.get(vmid);
  if (source !== undefined && lockOf(source) === 'disk') world.guests.configure(vmid, { lock: undefined });
}

/** Whoever unlocks or destroys the target in the middle makes the worker give up. */
function requireCreateLock(world: PveWorld, node: string, newid: number): void {
  loadGuest(world.guests, node, 'lxc', newid);
  if (lockOfTarget(world, node, newid) !== 'create')
    throw new PveFailure("Lost 'create' config lock, aborting.");
}

function lockOfTarget(world: PveWorld, node: string, newid: number): string | undefined {
  const target = world.guests.on(node, 'lxc', newid);
  return target === undefined ? undefined : lockOf(target);
}

function cloneFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith('clone failed: ')) return message;
  return `clone failed: ${message === 'received interrupt' ? 'interrupted by signal' : message}`;
}

function clonedVolume(source: PveGuest, newid: number, isFull: boolean): string {
  const base = rootVolume(source).replace(/^local-lvm:/, '');
  const size = /size=\S+$/.exec(String(source.config.rootfs))?.[0] ?? 'size=0G';
  return `local-lvm:${isFull ? '' : `${base}/`}vm-${newid}-disk-0,${size}`;
}

export function rootVolume(guest: PveGuest): string {
  return String(guest.config.rootfs ?? '').split(',')[0] ?? '';
}
