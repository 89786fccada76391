import { describe, expect, it } from 'vitest';
import { CT_TEMPLATE, eventually, simulate, TEMPLATE, visit } from './support.ts';

const VMID = 20_001;
const NAME = 'pvevm-00004e21';

const TWO_NODES = {
  nodes: ['pve1', 'pve2'],
  templates: [TEMPLATE, { ...CT_TEMPLATE, node: 'pve2' }],
} as const;

type World = Awaited<ReturnType<typeof simulate>>;

async function rowOf({ api }: World, vmid = VMID) {
  const { data } = (await api.get('/cluster/resources?type=vm')).body;
  return (data as { vmid: number; status: string; name?: string; lock?: string; tags?: string }[]).find(
    (row) => row.vmid === vmid,
  );
}

describe('a simulated cluster of several nodes', () => {
  it('keeps guests and templates on their nodes', async () => {
    const { api } = await simulate(TWO_NODES);
    expect((await api.get('/nodes/pve2/lxc')).body.data).toMatchObject([{ vmid: CT_TEMPLATE.vmid }]);
    expect((await api.get('/nodes/pve1/lxc')).body.data).toEqual([]);
    expect((await api.post(`${api.ct(CT_TEMPLATE.vmid)}/clone`, { newid: VMID })).reason).toBe(
      "Configuration file 'nodes/pve1/lxc/9100.conf' does not exist",
    );
    const clone = `${api.ct(CT_TEMPLATE.vmid, 'pve2')}/clone`;
    expect(await api.task('POST', clone, { newid: VMID })).toBe('OK');
    expect((await api.get(`${api.ct(VMID, 'pve2')}/status/current`)).body.data.status).toBe('stopped');
    expect((await api.post(`${api.vm(TEMPLATE.vmid)}/clone`, { newid: 20_002, target: 'pve9' })).reason).toBe(
      "no such cluster node 'pve9'",
    );
  });

  it('answers 595 for a node that is cut off, and shows its guests as they last were, then as unknown', async () => {
    const world = await simulate({ ...TWO_NODES, latency: { statsKeptMs: 400 } });
    const { api, pve, gatewayUrl } = world;
    await api.clone(VMID);
    await api.start(VMID);
    await eventually(async () => (await visit(gatewayUrl, NAME)).status === 200);
    pve.operator.setNodeOffline('pve1', true);
    expect(await api.get(`${api.vm(VMID)}/status/current`)).toMatchObject({
      status: 595,
      reason: 'No route to host',
      text: '',
    });
    expect((await api.get('/nodes/pve2/lxc')).status).toBe(200);
    expect((await api.get('/nodes')).body.data).toMatchObject([
      { node: 'pve1', status: 'offline' },
      { node: 'pve2', status: 'online' },
    ]);
    expect((await visit(gatewayUrl, NAME)).status).toBe(503);
    pve.operator.kill(VMID);
    pve.operator.lock(VMID, 'backup');
    expect(await rowOf(world)).toMatchObject({ status: 'running', name: NAME, lock: 'backup' });
    const later = await eventually(async () => {
      const row = await rowOf(world);
      return row?.status === 'unknown' ? row : undefined;
    });
    expect(later).not.toHaveProperty('name');
    pve.operator.setNodeOffline('pve1', false);
    expect(await rowOf(world)).toMatchObject({ status: 'stopped', name: NAME });
    expect((await api.status(VMID)).status).toBe('stopped');
  });

  it('lets guests on a node that is cut off run on', async () => {
    const { api, pve, gatewayUrl } = await simulate(TWO_NODES);
    await api.clone(VMID);
    await api.start(VMID);
    pve.operator.setNodeOffline('pve1', true);
    pve.operator.setNodeOffline('pve1', false);
    const answer = await eventually(async () => {
      const reply = await visit(gatewayUrl, NAME);
      return reply.status === 200 ? reply.body : undefined;
    });
    expect(answer.bootCount).toBe(1);
    expect(() => pve.operator.setNodeOffline('pve9', true)).toThrow(/no node pve9/);
  });

  it('shows status and name as old as the last broadcast, lock and tags as they are', async () => {
    const world = await simulate({ latency: { statsLagMs: 600 } });
    const { api, pve } = world;
    await api.clone(VMID);
    await eventually(async () => (await rowOf(world))?.name === NAME);
    await api.put(`${api.vm(VMID)}/config`, { tags: 'fresh' });
    pve.operator.lock(VMID, 'backup');
    expect(await rowOf(world)).toMatchObject({ status: 'stopped', tags: 'fresh', lock: 'backup' });
    pve.operator.unlock(VMID);
    await eventually(async () => {
      await api.start(VMID);
      const row = await rowOf(world);
      await api.task('POST', `${api.vm(VMID)}/status/stop`);
      return row?.status === 'stopped';
    });
    await api.start(VMID);
    await eventually(async () => (await rowOf(world))?.status === 'running');
  });

  it('keeps the rows of a node that is cut off through later broadcasts', async () => {
    const world = await simulate({ ...TWO_NODES, latency: { statsLagMs: 80 } });
    const { api, pve } = world;
    await api.clone(VMID);
    await api.start(VMID);
    await eventually(async () => (await rowOf(world))?.status === 'running');
    pve.operator.setNodeOffline('pve1', true);
    pve.operator.kill(VMID);
    pve.operator.add({ vmid: 300, name: 'young', node: 'pve2' });
    await eventually(async () => (await rowOf(world, 300))?.name === 'young');
    expect(await rowOf(world)).toMatchObject({ status: 'running' });
  });

  it('starts, clones and configures nothing without quorum', async () => {
    const { api, pve } = await simulate({ templates: [TEMPLATE, CT_TEMPLATE] });
    await api.clone(VMID);
    await api.start(VMID);
    await api.cloneCt(20_100);
    pve.operator.setQuorum(false);
    const noQuorum = { status: 500, reason: 'cluster not ready - no quorum?' };
    expect(await api.post(`${api.vm(VMID)}/status/start`)).toMatchObject(noQuorum);
    expect(await api.post(`${api.vm(TEMPLATE.vmid)}/clone`, { newid: 20_002 })).toMatchObject(noQuorum);
    expect(await api.post(`${api.ct(20_100)}/status/start`)).toMatchObject(noQuorum);
    expect(await api.post(`${api.ct(CT_TEMPLATE.vmid)}/clone`, { newid: 20_002 })).toMatchObject(noQuorum);
    const readOnly = /^unable to open file '\/etc\/pve\/nodes\/pve1\/.*' - Permission denied$/;
    expect((await api.put(`${api.vm(VMID)}/config`, { tags: 'x' })).reason).toMatch(readOnly);
    expect((await api.put(`${api.ct(20_100)}/config`, { tags: 'x' })).reason).toMatch(readOnly);
    expect(await api.suspend(VMID)).toMatch(readOnly);
    expect(await api.task('DELETE', api.ct(20_100))).toMatch(readOnly);
    pve.operator.setQuorum(true);
    expect(await api.suspend(VMID)).toBe('OK');
    expect(await api.task('DELETE', api.ct(20_100))).toBe('OK');
  });
});

describe('the request workers of a simulated node', () => {
  it('are any number by default, and with three of them the fourth request waits', async () => {
    const agentWaitMs = 500;
    const elapsed = async (pve: Parameters<typeof simulate>[0]) => {
      const { api } = await simulate({ ...pve, latency: { agentWaitMs, servicesMs: 60_000 } });
      await api.clone(VMID);
      await api.start(VMID);
      const beforeMs = performance.now();
      await Promise.all([1, 2, 3, 4].map(() => api.post(`${api.vm(VMID)}/agent/ping`)));
      return performance.now() - beforeMs;
    };
    expect(await elapsed({ requestWorkers: 3 })).toBeGreaterThanOrEqual(2 * agentWaitMs - 10);
    expect(await elapsed({})).toBeLessThan(2 * agentWaitMs);
  });

  it('leave what pveproxy answers itself, and other nodes, alone', async () => {
    const { api } = await simulate({
      ...TWO_NODES,
      requestWorkers: 1,
      latency: { agentWaitMs: 600, servicesMs: 60_000 },
    });
    await api.clone(VMID);
    await api.start(VMID);
    let isDone = false;
    const blocked = api.post(`${api.vm(VMID)}/agent/ping`).then(() => {
      isDone = true;
    });
    expect((await api.get('/cluster/resources')).status).toBe(200);
    expect((await api.get('/nodes/pve2/status')).status).toBe(200);
    expect(isDone).toBe(false);
    await blocked;
  });

  it('are given up by the proxy with a 596, though the work is done', async () => {
    const { api, pve } = await simulate({
      requestWorkers: 1,
      latency: { agentWaitMs: 1000, servicesMs: 60_000, proxyTimeoutMs: 400 },
    });
    await api.clone(VMID);
    await api.start(VMID);
    const ping = api.post(`${api.vm(VMID)}/agent/ping`);
    await eventually(() => pve.inventory().calls['POST /nodes/{node}/qemu/{vmid}/agent/ping']);
    const clone = api.post(`${api.vm(TEMPLATE.vmid)}/clone`, { newid: 20_002 });
    expect(await ping).toMatchObject({ status: 596, reason: 'Connection timed out', text: '' });
    expect((await clone).status).toBe(596);
    await eventually(() => pve.inventory().guests.find(({ vmid }) => vmid === 20_002));
  });
});
