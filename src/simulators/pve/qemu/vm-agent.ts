import { servicesAnswer } from '../../guest-memory.ts';
import type { Access } from '../access.ts';
import { PveFailure } from '../pve-failure.ts';
import { loadGuest, macAddress, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { hasAgent } from './vm-status.ts';

/** How often a waiting agent call looks again. */
const LOOK_AGAIN_MS = 20;

/** 8.x knows one privilege for the agent, 9.x a family of them; neither knows the other's. */
export function permitAgent(
  major: number,
  sufficient: readonly string[],
): (access: Access, raw: Readonly<Record<string, unknown>>) => void {
  return (access, raw) => {
    const path = `/vms/${String(raw.vmid)}`;
    if (major < 9) access.require(path, 'VM.Monitor');
    else access.requireAny(path, ...sufficient);
  };
}

/** Waits for the agent as long as guest-ping does, and fails in the words of Qemu/Agent.pm. */
export async function awaitAgent(world: PveWorld, node: string, vmid: number): Promise<PveGuest> {
  const untilMs = performance.now() + world.latency.agentWaitMs;
  for (;;) {
    const guest = loadGuest(world.guests, node, 'qemu', vmid);
    if (!hasAgent(guest)) throw new PveFailure('No QEMU guest agent configured');
    if (guest.process === null) throw new PveFailure(`VM ${vmid} is not running`);
    if (servicesAnswer(guest.memory, world.nowMs())) return guest;
    if (performance.now() >= untilMs) throw new PveFailure('QEMU guest agent is not running');
    await world.timers.sleep(LOOK_AGAIN_MS);
  }
}

/** Loopback, and one address that leads to this machine too: simulated guests answer at the gateway. */
export function networkInterfaces(vmid: number) {
  const address = (name: string, mac: string, ip: string) => ({
    name,
    'hardware-address': mac,
    'ip-addresses': [{ 'ip-address': ip, 'ip-address-type': 'ipv4', prefix: 8 }],
    statistics: {
      'rx-bytes': 0,
      'rx-dropped': 0,
      'rx-errs': 0,
      'rx-packets': 0,
      'tx-bytes': 0,
      'tx-dropped': 0,
      'tx-errs': 0,
      'tx-packets': 0,
    },
  });
  const own = `127.${(vmid >> 16) & 0xff}.${(vmid >> 8) & 0xff}.${vmid & 0xff}`;
  return [
    address('lo', '00:00:00:00:00:00', '127.0.0.1'),
    address('eth0', macAddress(vmid).toLowerCase(), own),
  ];
}
