import { NEVER_BOOTED } from '../../guest-memory.ts';
import type { Access } from '../access.ts';
import { checkNodeExists, checkQuorum } from '../cluster.ts';
import { PveFailure } from '../pve-failure.ts';
import {
  checkLock,
  type GuestConfig,
  isTemplate,
  loadGuest,
  macAddress,
  type PveGuest,
} from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { ctDescription } from '../templates.ts';
import { copyCtDisks, rootVolume } from './copy-ct-disks.ts';
import { withCtLock } from './ct-locks.ts';

export interface CtCloneRequest {
  readonly vmid: number;
  readonly newid: number;
  readonly hostname: string | undefined;
  readonly description: string | undefined;
  readonly full: boolean | undefined;
  readonly storage: string | undefined;
  readonly target: string | undefined;
  readonly pool: string | undefined;
  readonly snapname: string | undefined;
}

interface CloneCall {
  readonly node: string;
  readonly user: string;
  readonly access: Access;
}

/**
 * LXC.pm clone_vm. Unlike a VM's clone it acts before it answers: the source is locked with the word `disk` until the
 * worker ends, so a second clone of one template meanwhile is refused, and the target's configuration is there at once,
 * whole but for its root disk, under the lock `create`. A worker that is killed leaves both words behind, and with
 * them a template nobody can clone until somebody unlocks it on the host.
 */
export async function cloneCt(
  world: PveWorld,
  { node, user, access }: CloneCall,
  request: CtCloneRequest,
): Promise<string> {
  const { vmid, newid } = request;
  const target = request.target === node || request.target === 'localhost' ? undefined : request.target;
  if (target !== undefined) checkNodeExists(world, target);
  if (request.storage !== undefined) {
    world.storages.describe(node, request.storage);
    if (target !== undefined) throw new PveFailure(`can't clone to non-shared storage '${request.storage}'`);
  }
  checkQuorum(world);
  const source = await lockSource(world, node, vmid);
  const isFull = request.full ?? !isTemplate(source);
  try {
    refuseTakenVmid(world, newid);
    refuseClone(world, source, { ...request, target }, { isFull, access });
    world.guests.put({
      vmid: newid,
      kind: 'lxc',
      node,
      config: targetConfig(source, request),
      pending: {},
      process: null,
      memory: NEVER_BOOTED,
      baseVmid: isFull ? null : vmid,
      pool: null,
    });
  } catch (error) {
    world.guests.configure(vmid, { lock: undefined });
    throw error;
  }
  // As with VMs the UPID names the source.
  return world.tasks.fork({ node, type: 'vzclone', id: String(vmid), user }, (worker) =>
    copyCtDisks(world, worker, {
      node,
      source,
      newid,
      pool: request.pool,
      isFull,
      wasRunning: source.process !== null,
    }),
  );
}

/** Sets the lock word; the file lock itself is held only for that moment. */
function lockSource(world: PveWorld, node: string, vmid: number): Promise<PveGuest> {
  return withCtLock(world, { node, vmid }, async () => {
    const source = loadGuest(world.guests, node, 'lxc', vmid);
    checkLock(source);
    world.guests.configure(vmid, { lock: 'disk' });
    return source;
  });
}

/** `check_vmid_unused` knows the whole cluster, both kinds. */
function refuseTakenVmid(world: PveWorld, newid: number): void {
  const other = world.guests.get(newid);
  if (other === undefined) return;
  const word = other.kind === 'qemu' ? 'VM' : 'CT';
  throw new PveFailure(`${word} ${newid} already exists on node '${other.node}'`);
}

function refuseClone(
  world: PveWorld,
  source: PveGuest,
  request: CtCloneRequest,
  { isFull, access }: { readonly isFull: boolean; readonly access: Access },
): void {
  const { storage, snapname, target } = request;
  if (storage !== undefined && !isFull) {
    throw new PveFailure("parameter 'storage' not allowed for linked clones");
  }
  if (snapname !== undefined) throw new PveFailure(`snapshot '${snapname}' does not exist`);
  access.require('/sdn/zones/localnetwork/vmbr0', 'SDN.Use');
  for (const [key, value] of Object.entries(source.config)) {
    if (/^mp\d+$/.test(key) && String(value).startsWith('/')) {
      throw new PveFailure(`unable to clone mountpoint '${key}' (type bind)`);
    }
  }
  access.require(`/storage/${storage ?? 'local-lvm'}`, 'Datastore.AllocateSpace');
  if (isFull && source.process !== null) {
    throw new PveFailure(
      world.version.major >= 9
        ? 'Full clone of a running container is only possible from a snapshot'
        : 'Cannot do full clones on a running container without snapshots',
    );
  }
  if (!isFull && !isTemplate(source)) {
    throw new PveFailure(`Linked clone feature for '${rootVolume(source)}' is not available`);
  }
  if (target !== undefined) {
    throw new PveFailure(`can't clone CT to node '${target}' (CT uses local storage)`);
  }
}

/** Everything but the disks, hookscript and tags included; there is no `tags` parameter here either. */
function targetConfig(source: PveGuest, request: CtCloneRequest): GuestConfig {
  const { template: _template, rootfs: _rootfs, lock: _lock, ...copied } = source.config;
  const { hostname, description, newid } = request;
  const net0 = copied.net0 === undefined ? undefined : String(copied.net0);
  return {
    ...copied,
    ...(hostname ? { hostname } : {}),
    ...(description ? { description: ctDescription(description) } : {}),
    ...(net0 === undefined ? {} : { net0: net0.replace(/hwaddr=[^,]+/, `hwaddr=${macAddress(newid)}`) }),
    lock: 'create',
  };
}
