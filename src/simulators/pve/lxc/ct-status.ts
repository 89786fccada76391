import { haField } from '../ha.ts';
import {
  diskBytes,
  isTemplate,
  lockOf,
  macAddress,
  memoryBytes,
  nameOf,
  type PveGuest,
} from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';

const NO_ROOT_DISK_BYTES = 4 * 1024 ** 3;

/** A container as the list shows it. There is no word for frozen or checkpointed: it runs, or it is stopped. */
export function ctStatus(world: PveWorld, guest: PveGuest) {
  const { process, config } = guest;
  const lock = lockOf(guest);
  const maxmem = memoryBytes(guest);
  return {
    type: 'lxc',
    vmid: guest.vmid,
    name: nameOf(guest),
    status: process === null ? 'stopped' : 'running',
    cpus: Number(config.cores ?? config.cpulimit ?? world.nodeCores),
    cpu: process === null ? 0 : 0.01,
    maxmem,
    mem: process === null ? 0 : Math.round(maxmem * 0.4),
    maxswap: Number(config.swap ?? 0) * 1024 ** 2,
    swap: 0,
    // LXC.pm vmstatus assumes 4 GiB where no root disk is known yet.
    maxdisk: config.rootfs === undefined ? NO_ROOT_DISK_BYTES : diskBytes(guest),
    disk: process === null ? 0 : Math.round(diskBytes(guest) * 0.1),
    diskread: 0,
    diskwrite: 0,
    netin: 0,
    netout: 0,
    uptime: process === null ? 0 : Math.floor((world.nowMs() - process.startedAtMs) / 1000),
    ...(process === null ? {} : { pid: process.pid }),
    ...(lock === undefined ? {} : { lock }),
    ...(config.tags === undefined ? {} : { tags: config.tags }),
    ...(isTemplate(guest) ? { template: 1 } : {}),
    ...(world.version.major >= 9 ? NO_PRESSURE : {}),
  };
}

/** `status/current` adds what only the API layer knows. */
export function currentCtStatus(world: PveWorld, guest: PveGuest) {
  return { ...ctStatus(world, guest), ha: haField(guest) };
}

/** GET interfaces: null for a stopped container. Address families are `inet` and `inet6`, unlike the agent's. */
export function ctInterfaces({ vmid, process }: PveGuest) {
  if (process === null) return null;
  const own = `127.${(vmid >> 16) & 0xff}.${(vmid >> 8) & 0xff}.${vmid & 0xff}`;
  const row = (name: string, mac: string, inet: string, inet6: string, prefix6: number) => ({
    name,
    hwaddr: mac,
    'hardware-address': mac,
    inet: `${inet}/8`,
    inet6: `${inet6}/${prefix6}`,
    'ip-addresses': [
      { 'ip-address': inet, 'ip-address-type': 'inet', prefix: 8 },
      { 'ip-address': inet6, 'ip-address-type': 'inet6', prefix: prefix6 },
    ],
  });
  return [
    row('lo', '00:00:00:00:00:00', '127.0.0.1', '::1', 128),
    row('eth0', macAddress(vmid).toLowerCase(), own, `fe80::be24:11ff:fe00:${hex(vmid)}`, 64),
  ];
}

function hex(value: number): string {
  return (value & 0xffff).toString(16);
}

const NO_PRESSURE = {
  pressurecpusome: 0,
  pressureiofull: 0,
  pressureiosome: 0,
  pressurememoryfull: 0,
  pressurememorysome: 0,
};
