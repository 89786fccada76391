import { describe, expect, it } from 'vitest';
import { createFaultPlan, createRandom } from '../../src/simulators/fault-plan.ts';
import { eventually, pveClient, simulate, TEMPLATE, TOKEN } from './support.ts';

const VMID = 20_001;
const CLONE = `/nodes/pve1/qemu/${TEMPLATE.vmid}/clone`;

/** The code of a failed fetch's cause. */
async function failure(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'it succeeded';
  } catch (error) {
    return ((error as Error).cause as { code?: string } | undefined)?.code ?? String(error);
  }
}

describe('faults of simulated Proxmox', () => {
  it('answers an error as often as the rule says, without doing anything', async () => {
    const { api, pve } = await simulate();
    const action = { kind: 'error', status: 500, message: 'cluster not ready - no quorum?' } as const;
    pve.faults.add({ method: 'POST', path: '/clone$', action, times: 2 });
    for (let i = 0; i < 2; i += 1) {
      expect(await api.post(CLONE, { newid: VMID })).toMatchObject({ status: 500, reason: action.message });
    }
    expect(pve.inventory().guests).toHaveLength(1);
    expect(await api.clone(VMID)).toBe('OK');
    expect(pve.faults.list()).toMatchObject([{ hits: 2 }]);
    expect(pve.inventory().calls['POST /nodes/{node}/qemu/{vmid}/clone']).toBe(3);
  });

  it('sends the codes of the proxy hop without a body', async () => {
    const { api, pve } = await simulate();
    pve.faults.add({ action: { kind: 'error', status: 595, message: 'No route to host' } });
    expect(await api.get('/version')).toMatchObject({ status: 595, reason: 'No route to host', text: '' });
  });

  it('loses a reply after the effect, by the socket or as a 596', async () => {
    const { api, pve } = await simulate();
    pve.faults.add({ path: '/clone$', action: { kind: 'lose-reply' }, times: 1 });
    expect(await failure(api.post(CLONE, { newid: VMID }))).toBe('UND_ERR_SOCKET');
    pve.faults.add({ path: '/clone$', action: { kind: 'lose-reply', status: 596 }, times: 1 });
    expect(await api.post(CLONE, { newid: 20_002 })).toMatchObject({
      status: 596,
      reason: 'Connection timed out',
    });
    await eventually(() => (pve.inventory().guests.length === 3 ? true : undefined));
  });

  it('drops a request before any effect', async () => {
    const { api, pve } = await simulate();
    pve.faults.add({ path: '/clone$', action: { kind: 'drop' }, times: 1 });
    expect(await failure(api.post(CLONE, { newid: VMID }))).toBe('UND_ERR_SOCKET');
    expect((await api.get('/nodes/pve1/tasks?source=all')).body.data).toEqual([]);
  });

  it('hangs until the caller loses patience', async () => {
    const { pve } = await simulate();
    pve.faults.add({ action: { kind: 'hang' }, times: 1 });
    const headers = { authorization: `PVEAPIToken=${TOKEN}` };
    const call = fetch(`${pve.url}/api2/json/version`, { headers, signal: AbortSignal.timeout(50) });
    await expect(call).rejects.toThrow(/timeout/);
  });

  it('delays a reply', async () => {
    const { api, pve } = await simulate();
    pve.faults.add({ action: { kind: 'delay', ms: 80 }, times: 1 });
    const before = performance.now();
    expect((await api.get('/version')).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThanOrEqual(75);
  });

  it('makes a task slow with its locks held', async () => {
    const { api, pve } = await simulate();
    pve.faults.add({ action: { kind: 'slow-task', taskType: 'qmclone', ms: 400 }, times: 1 });
    const upid = (await api.post(CLONE, { newid: VMID, name: 'slow' })).body.data;
    await eventually(() => pve.inventory().guests.find(({ name }) => name === 'slow'));
    expect((await api.status(VMID)).lock).toBe('clone');
    expect(await api.ended(upid)).toBe('OK');
  });

  it('kills a start that can then be repeated, and a destroy that leaves a zombie', async () => {
    const { api, pve } = await simulate();
    await api.clone(VMID);
    pve.faults.add({ action: { kind: 'kill-task', taskType: 'qmstart' }, times: 1 });
    expect(await api.start(VMID)).toBe('unexpected status');
    expect(await api.start(VMID)).toBe('OK');
    await api.task('POST', `${api.vm(VMID)}/status/stop`);
    pve.faults.add({ action: { kind: 'kill-task', taskType: 'qmdestroy' }, times: 1 });
    expect(await api.task('DELETE', api.vm(VMID))).toBe('unexpected status');
    expect(await api.status(VMID)).toMatchObject({ lock: 'destroyed', name: `VM ${VMID}` });
    expect(await api.task('DELETE', api.vm(VMID))).toBe('VM is locked (destroyed)');
  });

  it('refuses a rule it does not understand', async () => {
    const { pve } = await simulate();
    expect(() => pve.faults.add({ path: '(', action: { kind: 'hang' } })).toThrow(/regular expression/);
  });

  it('throws the same dice for the same seed', () => {
    const hits = (seed: number) => {
      const plan = createFaultPlan(createRandom(seed));
      plan.add({ action: { kind: 'hang' }, probability: 0.5 });
      return Array.from({ length: 64 }, () => plan.forRequest('GET', '/') !== undefined)
        .map(Number)
        .join('');
    };
    expect(hits(7)).toBe(hits(7));
    expect(hits(7)).not.toBe(hits(8));
    expect(hits(7)).toMatch(/01/);
  });
});

describe('an outage of simulated Proxmox', () => {
  it('refuses connections, lets tasks go on, and comes back on the same port', async () => {
    const { api, pve } = await simulate({ latency: { startMs: 400 } });
    await api.clone(VMID);
    const upid = (await api.post(`${api.vm(VMID)}/status/start`)).body.data;
    await pve.setDown(true);
    await pve.setDown(true);
    expect(pve.inventory().guests.some(({ status }) => status === 'running')).toBe(false);
    expect(await failure(api.get('/version'))).toBe('ECONNREFUSED');
    await eventually(() => pve.inventory().guests.find(({ status }) => status === 'running'));
    await pve.setDown(false);
    expect(await pveClient(pve.url).ended(upid)).toBe('OK');
  });

  it('cuts off a caller that is waiting', async () => {
    const { api, pve } = await simulate();
    pve.faults.add({ action: { kind: 'hang' } });
    const call = failure(api.get('/version'));
    await eventually(() => pve.inventory().calls['GET /version']);
    await pve.setDown(true);
    expect(await call).toBe('UND_ERR_SOCKET');
  });
});
