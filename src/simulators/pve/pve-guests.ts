import type { GuestMemory } from '../guest-memory.ts';
import { PveFailure } from './pve-failure.ts';

export type GuestKind = 'qemu' | 'lxc';

/** What the HA manager was last asked for. */
export type HaState = 'started' | 'stopped';

/** Keys and values as `GET config` shows them. `lock` and `template` are in here, as in Proxmox. */
export type GuestConfig = Readonly<Record<string, string | number>>;

export interface PveGuest {
  readonly vmid: number;
  readonly kind: GuestKind;
  readonly node: string;
  readonly config: GuestConfig;
  /** Changes of a running guest that wait for its next cold start; null stands for a deletion. */
  readonly pending: Readonly<Record<string, string | number | null>>;
  /** Null when powered off. */
  readonly process: {
    readonly pid: number;
    readonly startedAtMs: number;
    readonly qmpStatus: 'running' | 'paused' | 'inmigrate';
  } | null;
  readonly memory: GuestMemory;
  /** The template whose disks this guest's linked disks are based on. */
  readonly baseVmid: number | null;
  readonly pool: string | null;
  /** Present while the HA manager owns the guest. */
  readonly ha?: HaState | undefined;
  /** The checkpoint in the node's one dump directory is this container's. */
  readonly checkpointed?: boolean;
}

const KINDS = {
  qemu: { word: 'VM', folder: 'qemu-server' },
  lxc: { word: 'CT', folder: 'lxc' },
} as const;

/** All guests of the cluster. VMIDs are unique across nodes and kinds (pmxcfs sees to that). */
export interface PveGuests {
  readonly all: () => readonly PveGuest[];
  readonly get: (vmid: number) => PveGuest | undefined;
  /** Only if it is of this kind and on this node: a migrated guest "does not exist" on its old node. */
  readonly on: (node: string, kind: GuestKind, vmid: number) => PveGuest | undefined;
  readonly put: (guest: PveGuest) => void;
  readonly change: (vmid: number, patch: Partial<PveGuest>) => void;
  readonly configure: (vmid: number, patch: Readonly<Record<string, string | number | undefined>>) => void;
  readonly remove: (vmid: number) => void;
}

export function createPveGuests(restored: readonly PveGuest[], onChange: () => void): PveGuests {
  const guests = new Map(restored.map((guest) => [guest.vmid, guest]));
  const change = (vmid: number, patch: Partial<PveGuest>): void => {
    const guest = guests.get(vmid);
    if (guest !== undefined) guests.set(vmid, { ...guest, ...patch });
    onChange();
  };
  return {
    all: () => [...guests.values()].sort((a, b) => a.vmid - b.vmid),
    get: (vmid) => guests.get(vmid),
    on: (node, kind, vmid) => {
      const guest = guests.get(vmid);
      return guest?.node === node && guest.kind === kind ? guest : undefined;
    },
    put: (guest) => {
      guests.set(guest.vmid, guest);
      onChange();
    },
    change,
    configure: (vmid, patch) => {
      const config = { ...guests.get(vmid)?.config, ...patch };
      const kept = Object.entries(config).filter((entry): entry is [string, string | number] => {
        return entry[1] !== undefined;
      });
      change(vmid, { config: Object.fromEntries(kept) });
    },
    remove: (vmid) => {
      guests.delete(vmid);
      onChange();
    },
  };
}

/** Answers the guest, or fails like `load_config`. */
export function loadGuest(guests: PveGuests, node: string, kind: GuestKind, vmid: number): PveGuest {
  const guest = guests.on(node, kind, vmid);
  if (guest !== undefined) return guest;
  throw new PveFailure(`Configuration file '${configFile({ node, kind, vmid })}' does not exist`);
}

/** Below `/etc/pve/`. */
export function configFile({ node, kind, vmid }: Pick<PveGuest, 'node' | 'kind' | 'vmid'>): string {
  return `nodes/${node}/${KINDS[kind].folder}/${vmid}.conf`;
}

export function lockOf(guest: PveGuest): string | undefined {
  const lock = guest.config.lock;
  return lock === undefined ? undefined : String(lock);
}

export function checkLock(guest: PveGuest): void {
  const lock = lockOf(guest);
  if (lock !== undefined) throw new PveFailure(`${KINDS[guest.kind].word} is locked (${lock})`);
}

export function isTemplate(guest: PveGuest): boolean {
  return guest.config.template === 1;
}

export function nameOf(guest: PveGuest): string {
  const key = guest.kind === 'qemu' ? 'name' : 'hostname';
  const unnamed = guest.kind === 'qemu' ? `VM ${guest.vmid}` : `CT${guest.vmid}`;
  return String(guest.config[key] ?? unnamed);
}

export function memoryBytes(guest: PveGuest): number {
  return Number(guest.config.memory ?? 512) * 1024 * 1024;
}

export function diskBytes(guest: PveGuest): number {
  const size = /size=(\d+)G/.exec(String(guest.config.scsi0 ?? guest.config.rootfs ?? ''))?.[1];
  return Number(size ?? 0) * 1024 ** 3;
}

/** In Proxmox's own prefix; unique because the VMID is. */
export function macAddress(vmid: number): string {
  const low = (vmid & 0xffffff).toString(16).toUpperCase().padStart(6, '0');
  return `BC:24:11:${low.slice(0, 2)}:${low.slice(2, 4)}:${low.slice(4)}`;
}
