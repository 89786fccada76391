import { describe, expect, it } from 'vitest';
import { CT_TEMPLATE, eventually, simulate, TEMPLATE } from './support.ts';

const VMID = 20_001;

describe.each([
  { kind: 'VM', prefix: 'qm' },
  { kind: 'CT', prefix: 'vz' },
] as const)('a simulated $kind that HA manages', ({ kind, prefix }) => {
  async function managed() {
    const world = await simulate({ templates: [TEMPLATE, CT_TEMPLATE] });
    const { api, pve } = world;
    if (kind === 'VM') await api.clone(VMID);
    else await api.cloneCt(VMID);
    pve.operator.setHaManaged(VMID, true);
    const at = kind === 'VM' ? api.vm(VMID) : api.ct(VMID);
    const status = async () => (await api.get(`${at}/status/current`)).body.data;
    const typesOf = async () => {
      const { data } = (await api.get(`/nodes/pve1/tasks?source=all&vmid=${VMID}`)).body;
      return (data as { type: string; user: string }[]).map((task) => `${task.type} ${task.user}`);
    };
    return { ...world, at, status, typesOf };
  }

  it('is started and stopped by request: the task ends before anything happened', async () => {
    const { api, at, status, typesOf } = await managed();
    const upid = (await api.post(`${at}/status/start`)).body.data;
    expect(upid).toContain(':hastart:20001:sim@pve!lifecycle:');
    expect(await api.ended(upid)).toBe('OK');
    expect(await status()).toMatchObject({ status: 'stopped', ha: { managed: 1 } });
    await eventually(async () => (await status()).status === 'running');
    expect(await typesOf()).toContain(`${prefix}start root@pam`);

    expect((await api.post(`${at}/status/stop`)).body.data).toContain(':hastop:');
    await eventually(async () => (await status()).status === 'stopped');
    expect(await typesOf()).toContain(`${prefix}stop root@pam`);
  });

  it('is shut down by request too, and not by overruling', async () => {
    const { api, at, status, typesOf } = await managed();
    await api.post(`${at}/status/start`);
    await eventually(async () => (await status()).status === 'running');
    expect((await api.post(`${at}/status/stop`, { 'overrule-shutdown': 1 })).body.errors).toEqual({
      'overrule-shutdown': 'Not applicable for HA resources.',
    });
    expect((await api.post(`${at}/status/shutdown`)).body.data).toContain(':hastop:');
    await eventually(async () => (await status()).status === 'stopped');
    expect(await typesOf()).toContain(`${prefix}shutdown root@pam`);
  });

  it('is destroyed only with purge', async () => {
    const { api, at } = await managed();
    expect(await api.del(at)).toMatchObject({
      status: 500,
      reason: `unable to remove ${kind} 20001 - used in HA resources and purge parameter not set.`,
    });
    expect(await api.task('DELETE', `${at}?purge=1`)).toBe('OK');
  });
});

describe('a simulated VM', () => {
  it('stays as it is when HA is told to stop and to start it within one reaction', async () => {
    const { api, pve } = await simulate({ latency: { haReactionMs: 500 } });
    for (const vmid of [VMID, 20_002]) {
      await api.clone(vmid);
      await api.start(vmid);
      pve.operator.setHaManaged(vmid, true);
    }
    await api.task('POST', `${api.vm(VMID)}/status/stop`);
    await api.task('POST', `${api.vm(VMID)}/status/start`);
    // Reactions come in the order of the wishes: when the other VM is off, this one's have passed.
    await api.task('POST', `${api.vm(20_002)}/status/stop`);
    await eventually(async () => (await api.status(20_002)).status === 'stopped');
    const { data } = (await api.get('/nodes/pve1/tasks?source=all&typefilter=qmstop')).body;
    expect(data).toMatchObject([{ id: '20002' }]);
    expect((await api.status(VMID)).status).toBe('running');
  });

  it('is not hibernated while HA manages it', async () => {
    const { api, pve } = await simulate();
    await api.clone(VMID);
    await api.start(VMID);
    pve.operator.setHaManaged(VMID, true);
    expect((await api.post(`${api.vm(VMID)}/status/suspend`, { todisk: 1 })).reason).toBe(
      'Cannot suspend HA managed VM to disk',
    );
    expect((await api.get('/cluster/resources?type=vm')).body.data[1]).toMatchObject({ hastate: 'started' });
    pve.operator.setHaManaged(VMID, false);
    expect(await api.suspend(VMID)).toBe('OK');
  });

  it('with a virtiofs share fails to hibernate in the task', async () => {
    const { api } = await simulate();
    await api.clone(VMID);
    await api.put(`${api.vm(VMID)}/config`, { virtiofs0: 'dirid=share' });
    await api.start(VMID);
    expect(await api.suspend(VMID)).toBe(
      'Cannot live-migrate, snapshot (with RAM), or hibernate a VM with: virtiofs',
    );
    expect(await api.status(VMID)).not.toHaveProperty('lock');
  });
});
