import { loadGuest } from '../pve-guests.ts';
import { onVm, type PveRoute, route, VMID_PARAMETERS } from '../pve-routes.ts';
import type { PveWorld } from '../pve-world.ts';
import { currentCtStatus } from './ct-status.ts';
import { resumeCt, startCt, suspendCt } from './start-ct.ts';
import { rebootCt, shutdownCt, stopCt } from './stop-ct.ts';

const ROOT_FLAG = { type: 'boolean', rootOnly: true, optional: true } as const;
const TIMEOUT = { type: 'integer', min: 0, optional: true } as const;
const FLAG = { type: 'boolean', optional: true } as const;

/** `…/status/*` of containers. There is no reset, no `todisk`, no agent and no way to run a command. */
export function createCtStatusRoutes(world: PveWorld): readonly PveRoute[] {
  const permit = onVm('VM.PowerMgmt');
  const base = '/nodes/{node}/lxc/{vmid}/status';
  return [
    route({
      method: 'GET',
      path: `${base}/current`,
      parameters: VMID_PARAMETERS,
      permit: onVm('VM.Audit'),
      handle: ({ params, node }) => ({
        data: currentCtStatus(world, loadGuest(world.guests, node, 'lxc', params.vmid)),
      }),
    }),
    route({
      method: 'POST',
      path: `${base}/start`,
      parameters: { ...VMID_PARAMETERS, debug: FLAG, skiplock: ROOT_FLAG },
      permit,
      handle: ({ params, node, user }) => ({ data: startCt(world, { node, vmid: params.vmid, user }) }),
    }),
    route({
      method: 'POST',
      path: `${base}/stop`,
      parameters: { ...VMID_PARAMETERS, 'overrule-shutdown': FLAG, skiplock: ROOT_FLAG },
      permit,
      handle: ({ params, node, user }) => {
        const overruleShutdown = params['overrule-shutdown'] ?? false;
        return { data: stopCt(world, { node, vmid: params.vmid, user }, { overruleShutdown }) };
      },
    }),
    route({
      method: 'POST',
      path: `${base}/shutdown`,
      parameters: { ...VMID_PARAMETERS, forceStop: FLAG, timeout: TIMEOUT },
      permit,
      handle: ({ params, node, user }) => ({ data: shutdownCt(world, { node, vmid: params.vmid, user }) }),
    }),
    route({
      method: 'POST',
      path: `${base}/suspend`,
      parameters: VMID_PARAMETERS,
      permit,
      handle: ({ params, node, user }) => ({ data: suspendCt(world, { node, vmid: params.vmid, user }) }),
    }),
    route({
      method: 'POST',
      path: `${base}/resume`,
      parameters: VMID_PARAMETERS,
      permit,
      handle: ({ params, node, user }) => ({ data: resumeCt(world, { node, vmid: params.vmid, user }) }),
    }),
    route({
      method: 'POST',
      path: `${base}/reboot`,
      parameters: { ...VMID_PARAMETERS, timeout: TIMEOUT },
      permit,
      handle: ({ params, node, user }) => ({ data: rebootCt(world, { node, vmid: params.vmid, user }) }),
    }),
  ];
}
