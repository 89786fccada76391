import { permitClone } from '../clone-permission.ts';
import { loadGuest } from '../pve-guests.ts';
import { NODE_PARAMETERS, onVm, type PveRoute, route, VMID_PARAMETERS } from '../pve-routes.ts';
import type { PveWorld } from '../pve-world.ts';
import { cloneCt } from './clone-ct.ts';
import { readCtConfig, updateCtConfig } from './ct-config.ts';
import { ctConfigParameters } from './ct-config-parameters.ts';
import { ctInterfaces, ctStatus } from './ct-status.ts';
import { createCtStatusRoutes } from './ct-status-routes.ts';
import { destroyCt } from './destroy-ct.ts';
import { makeTemplate } from './make-template.ts';

const CLONE_PARAMETERS = {
  ...VMID_PARAMETERS,
  newid: { type: 'integer', format: 'pve-vmid', min: 100, max: 999_999_999 },
  hostname: { type: 'string', format: 'dns-name', optional: true },
  description: { type: 'string', optional: true },
  full: { type: 'boolean', optional: true },
  storage: { type: 'string', format: 'pve-storage-id', optional: true },
  target: { type: 'string', format: 'pve-node', optional: true },
  pool: { type: 'string', format: 'pve-poolid', optional: true },
  snapname: { type: 'string', maxLength: 40, optional: true },
  bwlimit: { type: 'number', min: 0, optional: true },
} as const;

const CONFIG_PRIVILEGES = ['Disk', 'CPU', 'Memory', 'Network', 'Options'].map((name) => `VM.Config.${name}`);

/** Endpoints of containers. */
export function createLxcRoutes(world: PveWorld): readonly PveRoute[] {
  return [
    route({
      method: 'GET',
      path: '/nodes/{node}/lxc',
      parameters: NODE_PARAMETERS,
      handle: ({ node, access }) => {
        const guests = world.guests.all().filter((guest) => guest.node === node && guest.kind === 'lxc');
        const visible = guests.filter(({ vmid }) => access.has(`/vms/${vmid}`, 'VM.Audit'));
        return { data: visible.map((guest) => ctStatus(world, guest)) };
      },
    }),
    route({
      method: 'POST',
      path: '/nodes/{node}/lxc/{vmid}/clone',
      parameters: CLONE_PARAMETERS,
      permit: (access, raw) => permitClone(access, raw, world.pools),
      handle: async ({ params, node, user, access }) => ({
        data: await cloneCt(world, { node, user, access }, params),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/nodes/{node}/lxc/{vmid}',
      parameters: {
        ...VMID_PARAMETERS,
        'destroy-unreferenced-disks': { type: 'boolean', optional: true },
        force: { type: 'boolean', optional: true },
        purge: { type: 'boolean', optional: true },
      },
      permit: onVm('VM.Allocate'),
      handle: ({ params, node, user }) => {
        const { vmid, force = false, purge = false } = params;
        return { data: destroyCt(world, { node, vmid, user }, { force, purge }) };
      },
    }),
    route({
      method: 'POST',
      path: '/nodes/{node}/lxc/{vmid}/template',
      parameters: VMID_PARAMETERS,
      permit: onVm('VM.Allocate'),
      handle: async ({ params, node, user }) => ({
        data: await makeTemplate(world, { node, vmid: params.vmid, user }),
      }),
    }),
    route({
      method: 'GET',
      path: '/nodes/{node}/lxc/{vmid}/interfaces',
      parameters: VMID_PARAMETERS,
      permit: onVm('VM.Audit'),
      handle: ({ params, node }) => ({
        data: ctInterfaces(loadGuest(world.guests, node, 'lxc', params.vmid)),
      }),
    }),
    ...createConfigRoutes(world),
    ...createCtStatusRoutes(world),
  ];
}

function createConfigRoutes(world: PveWorld): readonly PveRoute[] {
  const path = '/nodes/{node}/lxc/{vmid}/config';
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
        const guest = loadGuest(world.guests, node, 'lxc', params.vmid);
        return { data: readCtConfig(guest, { current: params.current ?? false }) };
      },
    }),
    {
      method: 'PUT',
      path,
      parameters: ctConfigParameters(world.version),
      permit: (access, raw) => access.requireAny(`/vms/${String(raw.vmid)}`, ...CONFIG_PRIVILEGES),
      handle: async ({ params, node, access }) => {
        await updateCtConfig(world, { node, vmid: Number(params.vmid), access }, params);
        return { data: null };
      },
    },
  ];
}
