import { clockMsAt } from '../../guest-memory.ts';
import { PveFailure } from '../pve-failure.ts';
import { type PveRoute, route, VMID_PARAMETERS } from '../pve-routes.ts';
import type { PveWorld } from '../pve-world.ts';
import { awaitAgent, networkInterfaces, permitAgent } from './vm-agent.ts';
import { commandStatus, runCommand } from './vm-commands.ts';

/** In a millisecond. */
const NANOSECONDS = 1_000_000;

/** Endpoints of the guest agent. */
export function createAgentRoutes(world: PveWorld): readonly PveRoute[] {
  const permit = permitAgent(world.version.major, ['VM.GuestAgent.Audit', 'VM.GuestAgent.Unrestricted']);
  return [
    route({
      method: 'POST',
      path: '/nodes/{node}/qemu/{vmid}/agent/ping',
      parameters: VMID_PARAMETERS,
      permit,
      handle: async ({ params, node }) => {
        await awaitAgent(world, node, params.vmid);
        return { data: { result: {} } };
      },
    }),
    route({
      method: 'GET',
      path: '/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces',
      parameters: VMID_PARAMETERS,
      permit,
      handle: async ({ params, node }) => {
        await awaitAgent(world, node, params.vmid);
        return { data: { result: networkInterfaces(params.vmid) } };
      },
    }),
    route({
      method: 'GET',
      path: '/nodes/{node}/qemu/{vmid}/agent/get-time',
      parameters: VMID_PARAMETERS,
      permit,
      handle: async ({ params, node }) => {
        const { memory } = await awaitAgent(world, node, params.vmid);
        return { data: { result: clockMsAt(memory, world.nowMs()) * NANOSECONDS } };
      },
    }),
    ...createExecRoutes(world),
  ];
}

/** Input and output are plain text on the wire: the server does the agent's base64 itself. */
function createExecRoutes(world: PveWorld): readonly PveRoute[] {
  const permit = permitAgent(world.version.major, ['VM.GuestAgent.Unrestricted']);
  return [
    route({
      method: 'POST',
      path: '/nodes/{node}/qemu/{vmid}/agent/exec',
      parameters: {
        ...VMID_PARAMETERS,
        command: { type: 'array' },
        'input-data': { type: 'string', maxLength: 65_536, optional: true },
      },
      permit,
      handle: async ({ params, node }) => {
        const { vmid, command, 'input-data': input = '' } = params;
        if (command.every((word) => word === '') && input === '') {
          throw new PveFailure('command or input-data (or both) required');
        }
        const { memory } = await awaitAgent(world, node, vmid);
        const { pid, ...after } = runCommand(memory, { vmid, nowMs: world.nowMs() }, command, input);
        world.guests.change(vmid, { memory: { ...memory, ...after } });
        return { data: { pid } };
      },
    }),
    route({
      method: 'GET',
      path: '/nodes/{node}/qemu/{vmid}/agent/exec-status',
      parameters: { ...VMID_PARAMETERS, pid: { type: 'integer' } },
      permit,
      handle: async ({ params, node }) => {
        const { memory } = await awaitAgent(world, node, params.vmid);
        const { reply, contents } = commandStatus(memory, params.pid, world.nowMs());
        world.guests.change(params.vmid, { memory: { ...memory, contents } });
        return { data: reply };
      },
    }),
  ];
}
