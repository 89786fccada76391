import { haField } from '../ha.ts';
import { diskBytes, isTemplate, lockOf, memoryBytes, nameOf, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';

/**
 * A VM as `status/current` and the list show it. Only `full` rows hold QMP's status. `status` itself is
 * `running` or `stopped` and nothing else: hibernation shows in `lock`.
 */
export function vmStatus(world: PveWorld, guest: PveGuest, options: { readonly full: boolean }) {
  const { process, config } = guest;
  const lock = lockOf(guest);
  const maxmem = memoryBytes(guest);
  const mem = process === null ? 0 : Math.round(maxmem * 0.6);
  return {
    vmid: guest.vmid,
    name: nameOf(guest),
    status: process === null ? 'stopped' : 'running',
    cpus: Number(config.cores ?? 1) * Number(config.sockets ?? 1),
    cpu: process === null ? 0 : 0.02,
    maxmem,
    mem,
    maxdisk: diskBytes(guest),
    disk: 0,
    diskread: 0,
    diskwrite: 0,
    netin: 0,
    netout: 0,
    uptime: process === null ? 0 : Math.floor((world.nowMs() - process.startedAtMs) / 1000),
    ...(process === null ? {} : { pid: process.pid }),
    ...(lock === undefined ? {} : { lock }),
    ...(config.tags === undefined ? {} : { tags: config.tags }),
    ...(isTemplate(guest) ? { template: 1 } : {}),
    ...(world.version.major >= 9 ? pressure(mem) : {}),
    ...(options.full ? { qmpstatus: process?.qmpStatus ?? 'stopped', ...running(guest) } : {}),
  };
}

/** `status/current` adds what only the API layer knows. */
export function currentVmStatus(world: PveWorld, guest: PveGuest) {
  return {
    ...vmStatus(world, guest, { full: true }),
    ha: haField(guest),
    ...(hasAgent(guest) ? { agent: 1 } : {}),
  };
}

/** `agent` is `1` or `enabled=1,…`. */
export function hasAgent({ config }: PveGuest): boolean {
  return /(?:^|,)(?:enabled=)?1(?:,|$)/.test(String(config.agent ?? ''));
}

function running({ process }: PveGuest) {
  if (process === null) return {};
  return { 'running-machine': 'pc-i440fx-9.2+pve1', 'running-qemu': '9.2.0' };
}

function pressure(mem: number) {
  return {
    memhost: mem,
    pressurecpufull: 0,
    pressurecpusome: 0,
    pressureiofull: 0,
    pressureiosome: 0,
    pressurememoryfull: 0,
    pressurememorysome: 0,
  };
}
