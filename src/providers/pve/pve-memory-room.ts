/**
 * Room for a memory image. Proxmox finds out by trying: on thin storage the allocation succeeds and the writing
 * fails, and that leaves the VM under a lock that no token can remove (facts §4). So we ask first, and what was found
 * free is kept in a book while an image is being written: a thin storage shows it as free until then.
 */
import type { ProviderCall } from '../provider.ts';
import { ProviderError } from '../provider-error.ts';
import type { PveContext } from './pve-context.ts';
import { isRefusal } from './pve-errors.ts';
import { guestFailure } from './pve-failures.ts';
import type { Place } from './pve-place.ts';
import { type GuestConfig, type StorageStatus, storageStatusSchema } from './pve-schemas.ts';

export interface ImageStorage {
  /** The same for everybody who writes there. */
  readonly name: string;
  /** Absent: our token may not see it, and Proxmox judges. */
  readonly availBytes?: number;
}

/**
 * Where the image will go.
 * @throws ProviderError `over_capacity` when it does not fit.
 */
export async function chooseImageStorage(
  place: Place,
  config: GuestConfig,
  context: PveContext,
  call: ProviderCall,
): Promise<ImageStorage> {
  const chosen = await chooseStorage(place.node, config, context, call);
  // Shared ones are one thing for the whole cluster, the others one on each node.
  const name = chosen?.shared ? chosen.name : `${place.node}/${chosen?.name ?? 'local'}`;
  if (chosen?.avail === undefined) return { name };
  const neededBytes = memoryImageBytes(config);
  if (chosen.avail >= neededBytes) return { name, availBytes: chosen.avail };
  const [needed, free] = [neededBytes, chosen.avail].map((bytes) => `${(bytes / GIB).toFixed(1)} GiB`);
  const text = `cannot be paused: its memory image needs ${needed} and ${chosen.name} has ${free} free`;
  const { report } = guestFailure('over_capacity', place, text, context);
  throw new ProviderError({
    ...report,
    remediation: `Free space on storage ${chosen.name}, or set another vmstatestorage in the template.`,
  });
}

/**
 * Keeps the room for an image from others that are written at the same time, until `giveBackImageRoom`, ten minutes
 * at most. A guest that has it keeps it.
 * @throws ProviderError `waiting` while the room is promised to others.
 */
export async function reserveImageRoom(
  { guestId, vmid }: Place,
  config: GuestConfig,
  { name, availBytes }: ImageStorage,
  context: PveContext,
): Promise<void> {
  if (availBytes === undefined) return;
  const memoryMib = Math.ceil(memoryImageBytes(config) / MIB);
  const room = { limitMib: Math.floor(availBytes / MIB), othersMib: 0 };
  const wanted = { guestId, node: name, vmid, memoryMib };
  if (await context.capacityBook.reserve(imagesOf(context), wanted, room)) return;
  throw new ProviderError({
    kind: 'waiting',
    effect: 'none',
    message: `${guestId} waits for room on ${name}: its memory image needs ${memoryMib} MiB, and other images are being written there`,
    remediation: `Free space on storage ${name}.`,
    provider: context.kind.provider,
  });
}

/** Its image is whole, or will not be: from now on the storage itself says what is free. */
export async function giveBackImageRoom({ guestId }: Place, context: PveContext): Promise<void> {
  await context.capacityBook.release(imagesOf(context), guestId);
}

/** A book of its own, whose nodes are storages. */
function imagesOf({ options }: PveContext): string {
  return `${options.failureDomain}:images`;
}

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
/** Twice the memory and 500 MB (facts §4). */
export function memoryImageBytes({ memoryMib }: Pick<GuestConfig, 'memoryMib'>): number {
  return (2 * memoryMib + 500) * MIB;
}

/**
 * Proxmox's own choice: `vmstatestorage`, else a shared storage of a disk, else a local one, else `local`
 * (facts §4). What our token may not see is left to Proxmox to judge.
 */
async function chooseStorage(
  node: string,
  config: GuestConfig,
  context: PveContext,
  call: ProviderCall,
): Promise<(StorageStatus & { readonly name: string }) | undefined> {
  const names = config.vmstatestorage === undefined ? config.diskStorages : [config.vmstatestorage];
  const candidates: (StorageStatus & { readonly name: string })[] = [];
  for (const name of names.length > 0 ? names : ['local']) {
    try {
      const path = `/nodes/${encodeURIComponent(node)}/storage/${encodeURIComponent(name)}/status`;
      candidates.push({ name, ...(await context.api.read(path, storageStatusSchema, call)) });
    } catch (error) {
      if (!isRefusal(error, 'forbidden', 'storage_missing', 'other')) throw error;
    }
  }
  return candidates.find((storage) => storage.shared) ?? candidates[0];
}
