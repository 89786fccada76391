import { describe, expect, it } from 'vitest';
import { eventually, simulate, TEMPLATE, visit } from './support.ts';

describe('a VM on simulated Proxmox', () => {
  it('is cloned, configured, started, suspended, resumed and destroyed, and keeps its memory while suspended', async () => {
    const { api, gatewayUrl, pve } = await simulate();
    const name = 'pvevm-1a2b3c4d';
    expect(await api.clone(20_001, name)).toBe('OK');
    expect(
      (await api.put(`${api.vm(20_001)}/config`, { tags: 'Cmux,cmux,aa', protection: 0, onboot: 0 })).status,
    ).toBe(200);
    expect((await api.config(20_001)).tags).toBe('aa;cmux');

    expect(await api.start(20_001)).toBe('OK');
    const counted = await eventually(async () => {
      const reply = await visit(gatewayUrl, name);
      return reply.status === 200 && reply.body.counter >= 2 ? reply.body : undefined;
    });
    expect(counted).toMatchObject({ simulated: true, guest: name, port: 39_378, bootCount: 1 });

    expect(await api.suspend(20_001)).toBe('OK');
    expect(await api.status(20_001)).toMatchObject({
      status: 'stopped',
      qmpstatus: 'stopped',
      lock: 'suspended',
      uptime: 0,
    });
    expect((await visit(gatewayUrl, name)).status).toBe(503);

    expect(await api.task('POST', `${api.vm(20_001)}/status/resume`)).toBe('OK');
    const resumed = await visit(gatewayUrl, name);
    expect(resumed.status).toBe(200);
    expect(resumed.body.bootCount).toBe(1);
    expect(resumed.body.counter).toBeGreaterThanOrEqual(counted.counter);

    expect(await api.task('POST', `${api.vm(20_001)}/status/stop`)).toBe('OK');
    expect(await api.task('DELETE', `${api.vm(20_001)}?purge=1&destroy-unreferenced-disks=1`)).toBe('OK');
    expect((await visit(gatewayUrl, name)).status).toBe(404);
    expect(pve.inventory().guests.map(({ vmid }) => vmid)).toEqual([TEMPLATE.vmid]);
  });
});
