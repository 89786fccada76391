/**
 * Room for a memory image. Proxmox finds out by trying: on thin storage the allocation succeeds and the writing
 * fails, and that leaves the VM under a lock that no token can remove (facts §4). So we ask first.
 */
import type { ProviderCall } from '../provider.ts';
import { ProviderError } from '../provider-error.ts';
import type { PveContext } from './pve-context.ts';
import { isRefusal } from './pve-errors.ts';
import { guestFailure } from './pve-failures.ts';
import type { Place } from './pve-place.ts';
import { type GuestConfig, type StorageStatus, storageStatusSchema } from './pve-schemas.ts';

/**
 * Where the image will go, as a name that is the same for everybody who writes there.
 * @throws ProviderError `over_capacity` when it does not fit.
 */
export async function chooseImageStorage(
  place: Place,
  config: GuestConfig,
  context: PveContext,
  call: ProviderCall,
): Promise<string> {
  const chosen = await chooseStorage(place.node, config, context, call);
  // Shared ones are one thing for the whole cluster, the others one on each node.
  const name = chosen?.shared ? chosen.name : `${place.node}/${chosen?.name ?? 'local'}`;
  if (chosen?.avail === undefined) return name;
  const neededBytes = memoryImageBytes(config);
  if (chosen.avail >= neededBytes) return name;
  const [needed, free] = [neededBytes, chosen.avail].map((bytes) => `${(bytes / GIB).toFixed(1)} GiB`);
  const text = `cannot be paused: its memory image needs ${needed} and ${chosen.name} has ${free} free`;
  const { report } = guestFailure('over_capacity', place, text, context);
  throw new ProviderError({
    ...report,
    remediation: `Free space on storage ${chosen.name}, or set another vmstatestorage in the template.`,
  });
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
