import { afterEach, expect } from 'vitest';
import { type PveRigOptions, startPveVmRig, TOKEN } from './rig.ts';

export type PveRig = Awaited<ReturnType<typeof startPveVmRig>>;
const rigs: PveRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

export async function startRig(options: PveRigOptions = {}): Promise<PveRig> {
  const rig = await startPveVmRig(options);
  rigs.push(rig);
  return rig;
}

/** What a person does in Proxmox's own interface; waits until a task that it starts is done. */
export async function byHand(rig: PveRig, method: string, path: string, params: Record<string, string> = {}) {
  const send = (verb: string, below: string, body?: URLSearchParams) =>
    fetch(`${rig.pve.url}/api2/json/nodes/pve1${below}`, {
      method: verb,
      headers: { authorization: `PVEAPIToken=${TOKEN}` },
      ...(body === undefined ? {} : { body }),
    });
  const reply = await send(method, path, new URLSearchParams(params));
  expect(reply.status).toBe(200);
  const { data } = (await reply.json()) as { data: unknown };
  if (typeof data !== 'string') return;
  for (;;) {
    const status = await send('GET', `/tasks/${encodeURIComponent(data)}/status`);
    if (((await status.json()) as { data: { status: string } }).data.status === 'stopped') return;
  }
}

export const guestOf = (rig: PveRig, vmid: string) =>
  rig.pve.inventory().guests.find((guest) => String(guest.vmid) === vmid)!;
