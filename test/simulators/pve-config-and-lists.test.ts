import { describe, expect, it } from 'vitest';
import { eventually, simulate, TEMPLATE } from './support.ts';

const VMID = 20_001;

describe('configuration of a simulated VM', () => {
  it('normalises tags, trims the description and shows booleans as numbers', async () => {
    const { api } = await simulate();
    await api.clone(VMID);
    const body = { tags: 'B, a;b', description: 'line 1\nline 2\n', protection: 1 };
    expect((await api.put(`${api.vm(VMID)}/config`, body)).body).toEqual({ data: null });
    expect(await api.config(VMID)).toMatchObject({
      tags: 'a;b',
      description: 'line 1\nline 2',
      protection: 1,
    });
  });

  it.each([
    { body: { tags: 'a:b' }, errors: { tags: 'invalid format - invalid characters in tag\n' } },
    { body: { cores: 0 }, errors: { cores: 'value must have a minimum value of 1' } },
    {
      body: { bios: 'uefi' },
      errors: { bios: "value 'uefi' does not have a value in the enumeration 'seabios, ovmf'" },
    },
    {
      body: { description: 'x'.repeat(8193) },
      errors: { description: 'value may only be 8192 characters long' },
    },
    { body: { force: 1 }, errors: { delete: "missing property - 'force' requires this property" } },
  ])('refuses $errors', async ({ body, errors }) => {
    const { api } = await simulate();
    await api.clone(VMID);
    const reply = await api.put(`${api.vm(VMID)}/config`, body);
    expect([reply.status, reply.body.errors]).toEqual([400, errors]);
  });

  it('wants at least one option', async () => {
    const { api } = await simulate();
    await api.clone(VMID);
    expect((await api.put(`${api.vm(VMID)}/config`, '')).reason).toBe('no options specified');
  });

  it('refuses a change based on an old digest', async () => {
    const { api } = await simulate();
    await api.clone(VMID);
    const { digest } = await api.config(VMID);
    expect((await api.put(`${api.vm(VMID)}/config`, { cores: 2, digest })).status).toBe(200);
    expect((await api.put(`${api.vm(VMID)}/config`, { cores: 3, digest })).reason).toBe(
      'checksum mismatch (file change by other user?)',
    );
  });

  it('keeps what a running VM cannot take for its next cold start', async () => {
    const { api } = await simulate();
    await api.clone(VMID);
    await api.start(VMID);
    await api.put(`${api.vm(VMID)}/config`, { cores: 8, tags: 'now' });
    expect((await api.get(`${api.vm(VMID)}/config?current=1`)).body.data).toMatchObject({
      cores: 4,
      tags: 'now',
    });
    expect(await api.config(VMID)).toMatchObject({ cores: 8 });
    expect((await api.status(VMID)).cpus).toBe(4);
    await api.task('POST', `${api.vm(VMID)}/status/stop`);
    await api.start(VMID);
    expect((await api.status(VMID)).cpus).toBe(8);
  });

  it('asks for the privilege of each key', async () => {
    const { api } = await simulate({ acl: { '/': ['VM.Config.Options', 'VM.Audit'] } });
    expect((await api.put(`${api.vm(TEMPLATE.vmid)}/config`, { description: 'x' })).status).toBe(200);
    expect((await api.put(`${api.vm(TEMPLATE.vmid)}/config`, { memory: 512 })).reason).toBe(
      'Permission check failed (/vms/9000, VM.Config.Memory)',
    );
  });

  it('does the same as a task by POST', async () => {
    const { api } = await simulate();
    await api.clone(VMID);
    expect(await api.task('POST', `${api.vm(VMID)}/config`, { tags: 'posted' })).toBe('OK');
    expect((await api.config(VMID)).tags).toBe('posted');
  });

  it('waits for the file lock of a slow start and then gives up', async () => {
    const { api } = await simulate({ latency: { startMs: 800, flockWaitMs: 30 } });
    await api.clone(VMID);
    const upid = (await api.post(`${api.vm(VMID)}/status/shutdown`)).body.data;
    await api.ended(upid);
    const start = (await api.post(`${api.vm(VMID)}/status/start`)).body.data;
    const reply = await eventually(async () => {
      const put = await api.put(`${api.vm(VMID)}/config`, { tags: 'x' });
      return put.status === 500 ? put : undefined;
    });
    expect(reply.reason).toBe("can't lock file '/var/lock/qemu-server/lock-20001.conf' - got timeout");
    expect(await api.ended(start)).toBe('OK');
  });
});

describe('the guest agent of a simulated VM', () => {
  it('answers once its services are up, and says why before', async () => {
    const { api } = await simulate({ latency: { servicesMs: 600, agentWaitMs: 10 } });
    await api.clone(VMID);
    const ping = () => api.post(`${api.vm(VMID)}/agent/ping`);
    expect((await ping()).reason).toBe(`VM ${VMID} is not running`);
    await api.start(VMID);
    expect(await ping()).toMatchObject({ status: 500, reason: 'QEMU guest agent is not running' });
    await eventually(async () => ((await ping()).status === 200 ? true : undefined));
    expect((await ping()).body).toEqual({ data: { result: {} } });
    const { result } = (await api.get(`${api.vm(VMID)}/agent/network-get-interfaces`)).body.data;
    expect(result[1]).toMatchObject({
      name: 'eth0',
      'ip-addresses': [{ 'ip-address': '127.0.78.33', 'ip-address-type': 'ipv4' }],
    });
  });

  it('is not configured where the template says so', async () => {
    const { api } = await simulate({ templates: [{ ...TEMPLATE, agent: false }] });
    await api.clone(VMID);
    expect((await api.post(`${api.vm(VMID)}/agent/ping`)).reason).toBe('No QEMU guest agent configured');
  });
});

describe('lists of simulated Proxmox', () => {
  it('hands the same free VMID to everyone who asks, as a string', async () => {
    const { api } = await simulate();
    expect((await api.get('/cluster/nextid')).body).toEqual({ data: '100' });
    expect((await api.get('/cluster/nextid')).body).toEqual({ data: '100' });
    expect((await api.get('/cluster/nextid?vmid=9000')).body.errors).toEqual({
      vmid: 'VM 9000 already exists',
    });
  });

  it('shows a fresh guest as unknown until the next broadcast, but its lock and tags at once', async () => {
    const { api, pve } = await simulate({ latency: { statsLagMs: 400 } });
    pve.operator.add({ vmid: VMID, name: 'young', tags: 'a;b' });
    const row = async () => {
      const { data } = (await api.get('/cluster/resources?type=vm')).body;
      return (data as { vmid: number; name?: string; status: string }[]).find(({ vmid }) => vmid === VMID);
    };
    const young = await row();
    expect(young).toMatchObject({ id: `qemu/${VMID}`, status: 'unknown', tags: 'a;b', node: 'pve1' });
    expect(young).not.toHaveProperty('name');
    const older = await eventually(async () => ((await row())?.name === undefined ? undefined : row()));
    expect(older).toMatchObject({ status: 'stopped', name: 'young', template: 0, maxmem: 2 * 1024 ** 3 });
  });

  it('lists finished tasks only, unless asked for others', async () => {
    const { api } = await simulate({ latency: { startMs: 500 } });
    await api.clone(VMID);
    const running = (await api.post(`${api.vm(VMID)}/status/start`)).body.data;
    const upids = async (query: string) => {
      const { data } = (await api.get(`/nodes/pve1/tasks${query}`)).body;
      return (data as { upid: string }[]).map(({ upid }) => upid);
    };
    expect(await upids('')).toHaveLength(1);
    expect(await upids('?source=active')).toEqual([running]);
    expect(await upids('?source=all')).toHaveLength(2);
    expect(await upids('?source=all&limit=1')).toEqual([running]);
    await api.ended(running);
    expect(await upids(`?vmid=${VMID}&statusfilter=ok`)).toEqual([running]);
    expect(await upids('?errors=1')).toEqual([]);
    expect(await upids('?userfilter=nobody')).toEqual([]);
  });

  it('knows no such task elsewhere, and no such UPID', async () => {
    const { api } = await simulate({ nodes: ['pve1', 'pve2'] });
    const upid = encodeURIComponent((await api.post(`${api.vm(105)}/status/start`)).body.data);
    expect((await api.get(`/nodes/pve2/tasks/${upid}/status`)).body.errors).toEqual({ upid: 'no such task' });
    expect((await api.get('/nodes/pve1/tasks/UPID:x/status')).body.errors).toEqual({
      upid: 'unable to parse worker upid',
    });
  });

  it('counts the memory of what runs and the disk of what is stored, and never says full', async () => {
    const { api } = await simulate({ nodeMemoryMib: 10 * 1024, latency: { memoryFillMs: 60_000 } });
    await api.clone(VMID);
    await api.clone(20_002);
    const before = (await api.get('/nodes/pve1/storage/local-lvm/status')).body.data;
    await api.start(VMID);
    expect(await api.start(20_002)).toBe('OK');
    expect((await api.get('/nodes/pve1/status')).body.data.memory.free).toBe(0);
    await api.suspend(VMID);
    const after = (await api.get('/nodes/pve1/storage/local-lvm/status')).body.data;
    expect(after.used - before.used).toBe((2 * 8192 + 500) * 1024 ** 2);
    expect((await api.get('/nodes/pve1/storage/ceph/status')).reason).toBe("storage 'ceph' does not exist");
  });
});
