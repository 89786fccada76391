import { PveFailure } from './pve-failure.ts';
import type { PveGuest, PveGuests } from './pve-guests.ts';
import { diskBytes, memoryBytes } from './pve-guests.ts';

/** A node's storages: `local-lvm` holds disks and memory images, `local` files. */
export interface Storages {
  readonly names: readonly string[];
  readonly describe: (node: string, storage: string) => StorageStatus;
  /** Fails with the storage's text when a memory image of this guest does not fit. */
  readonly reserveVmState: (guest: PveGuest, storage: string) => void;
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
const LOCAL_BYTES = 100 * 1024 ** 3;
const LOCAL_USED_BYTES = 20 * 1024 ** 3;

export function createStorages(guests: PveGuests, options: { readonly storageGib: number }): Storages {
  const total = options.storageGib * 1024 ** 3;

  const describe = (node: string, storage: string): StorageStatus => {
    const common = { enabled: 1, active: 1, shared: 0 } as const;
    if (storage === 'local') {
      const used = LOCAL_USED_BYTES;
      const avail = LOCAL_BYTES - used;
      return { ...common, type: 'dir', content: 'vztmpl,iso,backup', total: LOCAL_BYTES, used, avail };
    }
    if (storage !== 'local-lvm') throw new PveFailure(`storage '${storage}' does not exist`);
    const used = guests.all().reduce((sum, guest) => sum + (guest.node === node ? usedBytes(guest) : 0), 0);
    const avail = Math.max(0, total - used);
    return { ...common, type: 'lvmthin', content: 'rootdir,images', total, used, avail };
  };

  return {
    names: ['local', 'local-lvm'],
    describe,
    reserveVmState: (guest, storage) => {
      if (describe(guest.node, storage).avail >= vmStateBytes(guest)) return;
      // The plugin's own words differ by storage; no source for lvmthin's exact text was at hand.
      throw new PveFailure(
        `lvcreate 'pve/vm-${guest.vmid}-state-suspend' error:   Insufficient free space in thin pool pve/data`,
      );
    },
  };
}

/** QemuServer.pm: a memory image is allocated as twice the memory plus 500 MB. */
function vmStateBytes(guest: PveGuest): number {
  return 2 * memoryBytes(guest) + 500 * 1024 ** 2;
}

function usedBytes(guest: PveGuest): number {
  const disk = Math.round(diskBytes(guest) * (guest.baseVmid === null ? 1 : LINKED_CLONE_SHARE));
  return disk + (guest.config.vmstate === undefined ? 0 : vmStateBytes(guest));
}
