/** Everybody the conformance suite is run against. A driver joins with its rig and one line here. */
import { type Rig, startMorphRig, startPveLxcRig, startPveVmRig } from './rig.ts';

export interface DriverCase {
  readonly name: string;
  readonly start: (options?: { readonly requestTimeoutMs?: number }) => Promise<Rig>;
}

const PVE_8 = { version: '8.4.5' };

export const DRIVERS: readonly DriverCase[] = [
  { name: 'pve-vm', start: startPveVmRig },
  { name: 'pve-vm on Proxmox VE 8', start: (options) => startPveVmRig({ ...options, pve: PVE_8 }) },
  { name: 'pve-vm over TLS', start: (options) => startPveVmRig({ ...options, pve: { tls: true } }) },
  { name: 'pve-lxc', start: startPveLxcRig },
  { name: 'pve-lxc on Proxmox VE 8', start: (options) => startPveLxcRig({ ...options, pve: PVE_8 }) },
  { name: 'pve-lxc over TLS', start: (options) => startPveLxcRig({ ...options, pve: { tls: true } }) },
  { name: 'morph', start: startMorphRig },
];
