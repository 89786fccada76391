import { counterOf } from '../guest-memory.ts';
import { isTemplate, lockOf, nameOf, type PveGuest } from './pve-guests.ts';

/** Ground truth, whatever the API says. */
export interface PveInventory {
  readonly simulated: true;
  readonly guests: readonly PveInventoryGuest[];
  /** Requests by method and endpoint, faulted ones included: `POST /nodes/{node}/qemu/{vmid}/clone`. */
  readonly calls: Readonly<Record<string, number>>;
  /** Guests that a node's OOM killer took since this process began. */
  readonly oomKills: number;
}

export interface PveInventoryGuest {
  readonly vmid: number;
  readonly kind: 'qemu' | 'lxc';
  readonly name: string;
  readonly node: string;
  readonly template: boolean;
  readonly status: 'running' | 'stopped';
  readonly lock?: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly protection: boolean;
  readonly bootCount: number;
  /** Ticks of 100 ms that the guest's memory has counted; 0 when it has none. */
  readonly counter: number;
}

export function inventoryGuest(guest: PveGuest, nowMs: number): PveInventoryGuest {
  const lock = lockOf(guest);
  return {
    vmid: guest.vmid,
    kind: guest.kind,
    name: nameOf(guest),
    node: guest.node,
    template: isTemplate(guest),
    status: guest.process === null ? 'stopped' : 'running',
    ...(lock === undefined ? {} : { lock }),
    description: String(guest.config.description ?? ''),
    tags: String(guest.config.tags ?? '')
      .split(';')
      .filter(Boolean),
    protection: guest.config.protection === 1,
    bootCount: guest.memory.bootCount,
    counter: counterOf(guest.memory, nowMs),
  };
}
