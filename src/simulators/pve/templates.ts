import { NEVER_BOOTED } from '../guest-memory.ts';
import { type GuestConfig, macAddress, type PveGuest } from './pve-guests.ts';
import type { SimulatedCtTemplate, SimulatedTemplate, SimulatedVmTemplate } from './pve-options.ts';

/** A template as it stands in the cluster before the first clone. */
export function templateGuest(template: SimulatedTemplate, firstNode: string): PveGuest {
  return {
    vmid: template.vmid,
    kind: template.kind ?? 'qemu',
    node: template.node ?? firstNode,
    config: template.kind === 'lxc' ? ctConfig(template) : vmConfig(template),
    pending: {},
    process: null,
    memory: NEVER_BOOTED,
    baseVmid: null,
    pool: null,
  };
}

function vmConfig(template: SimulatedVmTemplate): GuestConfig {
  const { vmid } = template;
  return {
    name: template.name,
    sockets: 1,
    memory: String(template.memoryMib),
    ostype: 'l26',
    scsihw: 'virtio-scsi-single',
    scsi0: `local-lvm:base-${vmid}-disk-0,size=${template.diskGib}G`,
    boot: 'order=scsi0',
    net0: `virtio=${macAddress(vmid)},bridge=vmbr0`,
    ...(template.agent === false ? {} : { agent: '1' }),
    ...(template.description === undefined ? {} : { description: template.description }),
    ...commonConfig(template),
  };
}

function ctConfig(template: SimulatedCtTemplate): GuestConfig {
  const { vmid, description } = template;
  return {
    hostname: template.name,
    arch: 'amd64',
    memory: template.memoryMib,
    swap: template.swapMib ?? 512,
    ostype: 'debian',
    rootfs: `local-lvm:base-${vmid}-disk-0,size=${template.diskGib}G`,
    net0: `name=eth0,bridge=vmbr0,hwaddr=${macAddress(vmid)},ip=dhcp,type=veth`,
    unprivileged: Number(template.unprivileged ?? true),
    ...(template.features === undefined ? {} : { features: template.features }),
    ...(template.hookscript === undefined ? {} : { hookscript: template.hookscript }),
    ...(description === undefined ? {} : { description: ctDescription(description) }),
    ...commonConfig(template),
  };
}

function commonConfig(template: SimulatedTemplate): GuestConfig {
  return {
    template: 1,
    cores: template.cores,
    ...(template.tags === undefined ? {} : { tags: template.tags }),
    ...(template.protection === undefined ? {} : { protection: Number(template.protection) }),
    ...(template.onboot === undefined ? {} : { onboot: Number(template.onboot) }),
  };
}

/**
 * A container's description comes back with every line ended, the last one too, and without empty lines at its end
 * (LXC/Config.pm writes it as comment lines and reads them back one by one).
 */
export function ctDescription(text: string): string {
  return `${text.replace(/\n+$/, '')}\n`;
}
