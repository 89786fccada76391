import { permitClone } from '../clone-permission.ts';
import { loadGuest } from '../pve-guests.ts';
import { NODE_PARAMETERS, onVm, type PveRoute, route, VMID_PARAMETERS } from '../pve-routes.ts';
import type { PveWorld } from '../pve-world.ts';
import { cloneVm } from './clone-vm.ts';
import { destroyVm } from './destroy-vm.ts';
import { createAgentRoutes } from './vm-agent-routes.ts';
import { readVmConfig, updateVmConfig } from './vm-config.ts';
import { POST_ONLY_PARAMETERS, vmConfigParameters } from './vm-config-parameters.ts';
import { vmStatus } from './vm-status.ts';
import { createVmStatusRoutes } from './vm-status-routes.ts';

const CLONE_PARAMETERS = {
  ...VMID_PARAMETERS,
  newid: { type: 'integer', format: 'pve-vmid', min: 100, max: 999_999_999 },
  name: { type: 'string', format: 'dns-name', optional: true },
  description: { type: 'string', optional: true },
  full: { type: 'boolean', optional: true },
  format: { type: 'string', enum: ['raw', 'qcow2', 'vmdk'], optional: true },
  storage: { type: 'string', format: 'pve-storage-id', optional: true },
  target: { type: 'string', format: 'pve-node', optional: true },
  pool: { type: 'string', format: 'pve-poolid', optional: true },
  snapname: { type: 'string', maxLength: 40, optional: true },
  bwlimit: { type: 'integer', min: 0, optional: true },
} as const;

const CONFIG_PRIVILEGES = ['Disk', 'CDROM', 'CPU', 'Memory', 'Network', 'HWType', 'Options', 'Cloudinit'].map(
  (name) => `VM.Config.${name}`,
);

/** Endpoints of VMs. */
export function createQemuRoutes(world: PveWorld): readonly PveRoute[] {
  return [
    route({
      method: 'GET',
      path: '/nodes/{node}/qemu',
      parameters: { ...NODE_PARAMETERS, full: { type: 'boolean', optional: true } },
      handle: ({ params, node, access }) => {
        const guests = world.guests.all().filter((guest) => guest.node === node && guest.kind === 'qemu');
        const visible = guests.filter(({ vmid }) => access.has(`/vms/${vmid}`, 'VM.Audit'));
        return { data: visible.map((guest) => vmStatus(world, guest, { full: params.full ?? false })) };
      },
    }),
    route({
      method: 'POST',
      path: '/nodes/{node}/qemu/{vmid}/clone',
      parameters: CLONE_PARAMETERS,
      permit: (access, raw) => permitClone(access, raw, world.pools),
      handle: ({ params, node, user, access }) => ({ data: cloneVm(world, { node, user, access }, params) }),
    }),
    route({
      method: 'DELETE',
      path: '/nodes/{node}/qemu/{vmid}',
      parameters: {
        ...VMID_PARAMETERS,
        'destroy-unreferenced-disks': { type: 'boolean', optional: true },
        purge: { type: 'boolean', optional: true },
        skiplock: { type: 'boolean', rootOnly: true, optional: true },
      },
      permit: onVm('VM.Allocate'),
      handle: ({ params, node, user }) => {
        const { vmid, purge = false } = params;
        return { data: destroyVm(world, { node, vmid, user }, { purge }) };
      },
    }),
    ...createConfigRoutes(world),
    ...createVmStatusRoutes(world),
    ...createAgentRoutes(world),
  ];
}

function createConfigRoutes(world: PveWorld): readonly PveRoute[] {
  const parameters = vmConfigParameters(world.version.major);
  const path = '/nodes/{node}/qemu/{vmid}/config';
  const permit: PveRoute['permit'] = (access, raw) =>
    access.requireAny(`/vms/${String(raw.vmid)}`, ...CONFIG_PRIVILEGES);
  return [
    route({
      method: 'GET',
      path,
      parameters: {
        ...VMID_PARAMETERS,
        current: { type: 'boolean', optional: true },
        snapshot: { type: 'string', maxLength: 40, optional: true },
      },
      permit: onVm('VM.Audit'),
      handle: ({ params, node }) => {
        const guest = loadGuest(world.guests, node, 'qemu', params.vmid);
        return { data: readVmConfig(guest, { current: params.current ?? false }) };
      },
    }),
    {
      method: 'PUT',
      path,
      parameters,
      permit,
      handle: async ({ params, node, access }) => {
        await updateVmConfig(world, { node, vmid: Number(params.vmid), access }, params);
        return { data: null };
      },
    },
    {
      method: 'POST',
      path,
      parameters: { ...parameters, ...POST_ONLY_PARAMETERS },
      permit,
      handle: ({ params, node, user, access }) => {
        const vmid = Number(params.vmid);
        const task = { node, type: 'qmconfig', id: String(vmid), user };
        const upid = world.tasks.fork(task, ({ signal }) =>
          updateVmConfig(world, { node, vmid, access, signal }, params),
        );
        return { data: upid };
      },
    },
  ];
}
