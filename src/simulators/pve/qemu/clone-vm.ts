import { NEVER_BOOTED } from '../../guest-memory.ts';
import type { Access } from '../access.ts';
import { checkNodeExists, checkQuorum } from '../cluster.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, type GuestConfig, isTemplate, macAddress, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { TaskKilled, type Worker } from '../tasks.ts';
import { requireVm, withVmLock } from './vm-locks.ts';

export interface CloneRequest {
  readonly vmid: number;
  readonly newid: number;
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly full: boolean | undefined;
  readonly format: string | undefined;
  readonly storage: string | undefined;
  readonly target: string | undefined;
  readonly pool: string | undefined;
  readonly snapname: string | undefined;
}

/** Share of the clone's time in which the target holds nothing but `lock: clone`: until its first disk is there. */
const BARE_SHARE = 0.4;

/**
 * Qemu.pm clone_vm. The POST only checks; the target's configuration is written by the worker, so two clones with
 * one newid both get a UPID and the loser's task fails. Everything of the source is copied, tags and protection
 * included, and there is no `tags` parameter.
 */
export function cloneVm(
  world: PveWorld,
  call: { readonly node: string; readonly user: string; readonly access: Access },
  request: CloneRequest,
): string {
  const { node, user, access } = call;
  checkQuorum(world);
  const source = checkClone(world, node, request);
  access.require(`/storage/${request.storage ?? 'local-lvm'}`, 'Datastore.AllocateSpace');
  access.require('/sdn/zones/localnetwork/vmbr0', 'SDN.Use');

  // The UPID names the source: a search for the new id does not find this task.
  return world.tasks.fork({ node, type: 'qmclone', id: String(request.vmid), user }, (worker) =>
    withVmLock(
      world,
      {
        node,
        vmid: request.newid,
        waitMs: world.latency.cloneFlockWaitMs,
        signal: worker.signal,
      },
      () =>
        withVmLock(
          world,
          {
            node,
            vmid: request.vmid,
            mode: source.process === null ? 'shared' : 'exclusive',
            waitMs: world.latency.cloneFlockWaitMs,
            signal: worker.signal,
          },
          () => copy(world, worker, node, request),
        ),
    ),
  );
}

/** Runs before the fork and again inside the worker, as in the original. */
function checkClone(world: PveWorld, node: string, request: CloneRequest): PveGuest {
  const source = requireVm(world.guests, node, request.vmid);
  checkLock(source);
  if (request.snapname !== undefined) throw new PveFailure(`snapshot '${request.snapname}' does not exist`);
  const full = request.full ?? !isTemplate(source);
  for (const option of ['storage', 'format'] as const) {
    if (request[option] !== undefined && !full) {
      throw new PveFailure(`parameter '${option}' not allowed for linked clones`);
    }
  }
  if (request.storage !== undefined) world.storages.describe(node, request.storage);
  if (request.target !== undefined && request.target !== node) {
    checkNodeExists(world, request.target);
    throw new PveFailure(`can't clone VM to node '${request.target}' (VM uses local storage)`);
  }
  if (world.guests.on(node, 'qemu', request.newid) !== undefined) {
    throw new PveFailure(`unable to create VM ${request.newid}: config file already exists`);
  }
  if (!full && !isTemplate(source)) {
    const volume = volumeOf(source);
    throw new PveFailure(`Linked clone feature is not supported for '${volume}' (scsi0)`);
  }
  return source;
}

async function copy(world: PveWorld, worker: Worker, node: string, request: CloneRequest): Promise<void> {
  const { newid } = request;
  const source = checkClone(world, node, request);
  if (world.guests.get(newid) !== undefined) {
    // Another node's or kind's guest has this id: pmxcfs refuses the file, cluster wide.
    const file = `/etc/pve/nodes/${node}/qemu-server/${newid}.conf`;
    throw new PveFailure(`close (rename) atomic file '${file}' failed: File exists`);
  }
  const full = request.full ?? !isTemplate(source);
  world.guests.put({
    vmid: newid,
    kind: 'qemu',
    node,
    config: { lock: 'clone' },
    pending: {},
    process: null,
    memory: NEVER_BOOTED,
    baseVmid: full ? null : source.vmid,
    pool: null,
  });
  try {
    if (world.version.major >= 9) worker.log(`creating a clone of VM ${source.vmid} with ID ${newid}`);
    worker.log(`create ${full ? 'full' : 'linked'} clone of drive scsi0 (${volumeOf(source)})`);
    await worker.spend(world.latency.cloneMs * BARE_SHARE, 'middle');
    world.guests.change(newid, { config: { ...cloneConfig(source, request, full), lock: 'clone' } });
    await worker.spend(world.latency.cloneMs * (1 - BARE_SHARE), 'end');
  } catch (error) {
    if (error instanceof TaskKilled) throw error;
    world.guests.remove(newid);
    throw new PveFailure(cloneFailure(error));
  }
  world.guests.configure(newid, { lock: undefined });
  world.guests.change(newid, { pool: request.pool ?? null });
}

function cloneFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith('clone failed: ')) return message;
  return `clone failed: ${message === 'received interrupt' ? 'interrupted by signal' : message}`;
}

function cloneConfig(source: PveGuest, request: CloneRequest, full: boolean): GuestConfig {
  const { template: _template, vmstate: _vmstate, lock: _lock, ...copied } = source.config;
  const { newid } = request;
  const disk = `vm-${newid}-disk-0`;
  const base = volumeOf(source).replace(/^local-lvm:/, '');
  const size = /size=\S+$/.exec(String(source.config.scsi0))?.[0] ?? 'size=0G';
  return {
    ...copied,
    name: request.name ?? `Copy-of-VM-${String(source.config.name ?? source.vmid)}`,
    ...(request.description === undefined ? {} : { description: request.description.trim() }),
    scsi0: `local-lvm:${full ? '' : `${base}/`}${disk},${size}`,
    net0: String(copied.net0 ?? '').replace(/virtio=[^,]+/, `virtio=${macAddress(newid)}`),
  };
}

function volumeOf(guest: PveGuest): string {
  return String(guest.config.scsi0 ?? '').split(',')[0] ?? '';
}
