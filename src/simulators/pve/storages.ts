import { PveFailure } from './pve-failure.ts';
import type { PveGuest, PveGuests } from './pve-guests.ts';
import { diskBytes, memoryBytes } from './pve-guests.ts';

/** A node's storages: `local-lvm` holds disks and memory images, `local` files. */
export interface Storages {
  readonly names: readonly string[];
  readonly describe: (node: string, storage: string) => StorageStatus;
  /** Fails with the storage's text when a memory image of this guest does not fit. */
  readonly reserveVmState: (guest: PveGuest, storage: string) => void;
  /**
   * A thin pool reserves nothing: images that are written at once may each have seen the room of one. The last to be
   * written whole then fails.
   */
  readonly writeVmState: (guest: PveGuest, storage: string) => void;
}

export interface StorageStatus {
  readonly type: string;
  readonly content: string;
  readonly enabled: 1;
  readonly active: 1;
  readonly shared: 0;
  readonly total: number;
  readonly used: number;
  readonly avail: number;
}

/** A thin linked clone begins as a reference to its base; what an agent's day writes is about this share. */
const LINKED_CLONE_SHARE = 0.1;
const DISK_STORAGE = 'local-lvm';
const LOCAL_BYTES = 100 * 1024 ** 3;
const LOCAL_USED_BYTES = 20 * 1024 ** 3;

export function createStorages(
  guests: PveGuests,
  options: { readonly storageGibOf: (node: string) => number },
): Storages {
  const describe = (node: string, storage: string): StorageStatus => {
    const common = { enabled: 1, active: 1, shared: 0 } as const;
    const guestBytes = guests
      .all()
      .reduce((sum, guest) => sum + (guest.node === node ? bytesOn(storage, guest) : 0), 0);
    if (storage === 'local') {
      const used = LOCAL_USED_BYTES + guestBytes;
      const avail = Math.max(0, LOCAL_BYTES - used);
      return { ...common, type: 'dir', content: 'vztmpl,iso,backup', total: LOCAL_BYTES, used, avail };
    }
    if (storage !== DISK_STORAGE) throw new PveFailure(`storage '${storage}' does not exist`);
    const total = options.storageGibOf(node) * 1024 ** 3;
    const avail = Math.max(0, total - guestBytes);
    return { ...common, type: 'lvmthin', content: 'rootdir,images', total, used: guestBytes, avail };
  };

  const fits = (guest: PveGuest, storage: string) =>
    describe(guest.node, storage).avail >= vmStateBytes(guest);

  return {
    names: ['local', DISK_STORAGE],
    describe,
    reserveVmState: (guest, storage) => {
      if (fits(guest, storage)) return;
      // The plugin's own words differ by storage; no source for lvmthin's exact text was at hand.
      throw new PveFailure(
        `lvcreate 'pve/vm-${guest.vmid}-state-suspend' error:   Insufficient free space in thin pool pve/data`,
      );
    },
    writeVmState: (guest, storage) => {
      if (!fits(guest, storage))
        throw new PveFailure("query-savevm failed with error 'No space left on device'");
    },
  };
}

/** QemuServer.pm: a memory image is allocated as twice the memory plus 500 MB. */
function vmStateBytes(guest: PveGuest): number {
  return 2 * memoryBytes(guest) + 500 * 1024 ** 2;
}

/**
 * Disks are all on one storage; a memory image is where its suspend was told to put it, and counts once it is whole.
 */
function bytesOn(storage: string, guest: PveGuest): number {
  const share = guest.baseVmid === null ? 1 : LINKED_CLONE_SHARE;
  const disk = storage === DISK_STORAGE ? Math.round(diskBytes(guest) * share) : 0;
  const isWritten = guest.config.lock !== 'suspending';
  const hasImage = isWritten && String(guest.config.vmstate ?? '').startsWith(`${storage}:`);
  return disk + (hasImage ? vmStateBytes(guest) : 0);
}
