import { loadGuest } from '../pve-guests.ts';
import { onVm, type PveRoute, route, VMID_PARAMETERS } from '../pve-routes.ts';
import type { PveWorld } from '../pve-world.ts';
import { resumeVm, startVm } from './start-vm.ts';
import { rebootVm, shutdownVm, stopVm } from './stop-vm.ts';
import { suspendVm } from './suspend-vm.ts';
import { currentVmStatus } from './vm-status.ts';

const ROOT_FLAG = { type: 'boolean', rootOnly: true, optional: true } as const;
const ROOT_TEXT = { type: 'string', rootOnly: true, optional: true } as const;
const TIMEOUT = { type: 'integer', min: 0, optional: true } as const;

const START_PARAMETERS = {
  ...VMID_PARAMETERS,
  'force-cpu': ROOT_TEXT,
  machine: ROOT_TEXT,
  migratedfrom: ROOT_TEXT,
  migration_network: ROOT_TEXT,
  migration_type: { ...ROOT_TEXT, enum: ['secure', 'insecure'] },
  skiplock: ROOT_FLAG,
  stateuri: { ...ROOT_TEXT, maxLength: 128 },
  targetstorage: ROOT_TEXT,
  timeout: TIMEOUT,
} as const;

const START_PARAMETERS_9 = {
  ...START_PARAMETERS,
  'nets-host-mtu': ROOT_TEXT,
  'with-conntrack-state': ROOT_FLAG,
} as const;

/** `…/status/*`: what a VM is doing, and the verbs that change it. */
export function createVmStatusRoutes(world: PveWorld): readonly PveRoute[] {
  const permit = onVm('VM.PowerMgmt');
  const base = '/nodes/{node}/qemu/{vmid}/status';
  return [
    route({
      method: 'GET',
      path: `${base}/current`,
      parameters: VMID_PARAMETERS,
      permit: onVm('VM.Audit'),
      handle: ({ params, node }) => ({
        data: currentVmStatus(world, loadGuest(world.guests, node, 'qemu', params.vmid)),
      }),
    }),
    route({
      method: 'POST',
      path: `${base}/start`,
      parameters: world.version.major >= 9 ? START_PARAMETERS_9 : START_PARAMETERS,
      permit,
      handle: ({ params, node, user }) => ({ data: startVm(world, { node, vmid: params.vmid, user }) }),
    }),
    route({
      method: 'POST',
      path: `${base}/stop`,
      parameters: {
        ...VMID_PARAMETERS,
        keepActive: ROOT_FLAG,
        migratedfrom: ROOT_TEXT,
        'overrule-shutdown': { type: 'boolean', optional: true },
        skiplock: ROOT_FLAG,
        timeout: TIMEOUT,
      },
      permit,
      handle: ({ params, node, user }) => {
        const overruleShutdown = params['overrule-shutdown'] ?? false;
        return { data: stopVm(world, { node, vmid: params.vmid, user }, { overruleShutdown }) };
      },
    }),
    route({
      method: 'POST',
      path: `${base}/shutdown`,
      parameters: {
        ...VMID_PARAMETERS,
        forceStop: { type: 'boolean', optional: true },
        keepActive: ROOT_FLAG,
        skiplock: ROOT_FLAG,
        timeout: TIMEOUT,
      },
      permit,
      handle: ({ params, node, user }) => {
        const forceStop = params.forceStop ?? false;
        return { data: shutdownVm(world, { node, vmid: params.vmid, user }, { forceStop }) };
      },
    }),
    route({
      method: 'POST',
      path: `${base}/reboot`,
      parameters: { ...VMID_PARAMETERS, timeout: TIMEOUT },
      permit,
      handle: ({ params, node, user }) => ({ data: rebootVm(world, { node, vmid: params.vmid, user }) }),
    }),
    ...createSuspendRoutes(world, base),
  ];
}

function createSuspendRoutes(world: PveWorld, base: string): readonly PveRoute[] {
  const permit = onVm('VM.PowerMgmt');
  return [
    route({
      method: 'POST',
      path: `${base}/suspend`,
      parameters: {
        ...VMID_PARAMETERS,
        skiplock: ROOT_FLAG,
        statestorage: { type: 'string', format: 'pve-storage-id', requires: 'todisk', optional: true },
        todisk: { type: 'boolean', optional: true },
      },
      permit,
      handle: ({ params, node, user, access }) => {
        const options = { toDisk: params.todisk ?? false, stateStorage: params.statestorage, access };
        return { data: suspendVm(world, { node, vmid: params.vmid, user }, options) };
      },
    }),
    route({
      method: 'POST',
      path: `${base}/resume`,
      parameters: { ...VMID_PARAMETERS, nocheck: ROOT_FLAG, skiplock: ROOT_FLAG },
      permit,
      handle: async ({ params, node, user }) => ({
        data: await resumeVm(world, { node, vmid: params.vmid, user }),
      }),
    }),
  ];
}
