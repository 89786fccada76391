import { describe, expect, it } from 'vitest';
import { CT_TEMPLATE, simulate } from './support.ts';

const CTID = 20_001;

async function container(pve: Parameters<typeof simulate>[0] = {}) {
  const world = await simulate({ templates: [CT_TEMPLATE], ...pve });
  await world.api.cloneCt(CTID);
  const { api } = world;
  const put = (body: Record<string, string | number>) => api.put(`${api.ct(CTID)}/config`, body);
  const config = async (query = '') => (await api.get(`${api.ct(CTID)}/config${query}`)).body.data;
  return { ...world, put, config };
}

describe('configuration of a simulated container', () => {
  it('normalises tags, ends every line of the description, and gives numbers', async () => {
    const { put, config } = await container();
    expect(
      (await put({ tags: 'B, a;b', description: 'one\n\ntwo\n\n', memory: 4096, onboot: 0 })).body,
    ).toEqual({
      data: null,
    });
    expect(await config()).toMatchObject({
      tags: 'a;b',
      description: 'one\n\ntwo\n',
      memory: 4096,
      onboot: 0,
      unprivileged: 1,
    });
  });

  it.each([
    { version: '8.4.5', status: 400 },
    { version: '9.0.11', status: 400 },
    { version: '9.1.0', status: 200 },
    { version: '9.2.3', status: 200 },
  ])('answers env with $status on $version', async ({ version, status }) => {
    const { put } = await container({ version });
    const reply = await put({ env: 'CMUX_EXEC_TOKEN=abc\0HOME=/root' });
    expect(reply.status).toBe(status);
    if (status === 400) {
      expect(reply.body.errors).toEqual({
        env: 'property is not defined in schema and the schema does not allow additional properties',
      });
    }
  });

  it.each([
    { body: { hostname: 'under_score' }, error: /does not look like a valid DNS name/ },
    { body: { hostname: `a${'.a'.repeat(128)}` }, error: /only be 255 characters long/ },
    { body: { env: 'no pair' }, error: /does not match the regex pattern/ },
    { body: { memory: 8 }, error: /minimum value of 16/ },
    { body: { lock: 'clone' }, error: /in the enumeration 'backup, create,/ },
    { body: { description: 'x'.repeat(8193) }, error: /only be 8192 characters long/ },
  ])('finds fault with $body', async ({ body, error }) => {
    const { put } = await container();
    const reply = await put(body);
    expect([reply.status, Object.values(reply.body.errors)]).toEqual([400, [expect.stringMatching(error)]]);
  });

  it.each([
    {
      body: { features: 'nesting=1,keyctl=1' },
      text: 'changing feature flags (except nesting) is only allowed',
    },
    { body: { hookscript: 'local:snippets/x.sh' }, text: 'changing the hookscript is only allowed' },
    { body: { delete: 'hookscript' }, text: 'changing the hookscript is only allowed' },
    { body: { dev0: '/dev/kvm' }, text: 'configuring device passthrough is only allowed' },
    { body: { mp0: '/srv,mp=/srv' }, text: 'mount point type bind is only allowed' },
  ])('leaves $body to root@pam', async ({ body, text }) => {
    const { put } = await container();
    expect(await put(body)).toMatchObject({
      status: 403,
      reason: `Permission check failed (${text} for root@pam)`,
    });
  });

  it('lets a token switch nesting in an unprivileged container, and nothing in a privileged one', async () => {
    const { put, config } = await container();
    expect((await put({ features: 'nesting=1' })).status).toBe(200);
    expect((await config()).features).toBe('nesting=1');
    const privileged = await container({ templates: [{ ...CT_TEMPLATE, unprivileged: false }] });
    expect((await privileged.put({ features: 'nesting=1' })).reason).toMatch(/for privileged container/);
  });

  it('asks for the privilege of each key', async () => {
    const { api } = await simulate({
      templates: [CT_TEMPLATE],
      acl: { '/': ['VM.Config.Options', 'VM.Audit'] },
    });
    const put = (body: Record<string, string | number>) =>
      api.put(`${api.ct(CT_TEMPLATE.vmid)}/config`, body);
    expect((await put({ description: 'x' })).status).toBe(200);
    expect((await put({ hostname: 'x' })).reason).toBe(
      'Permission check failed (/vms/9100, VM.Config.Network)',
    );
    expect((await put({ memory: 512 })).reason).toBe('Permission check failed (/vms/9100, VM.Config.Memory)');
  });

  it.each([
    { body: { unprivileged: 0 }, reason: "unable to modify read-only option: 'unprivileged'" },
    { body: { delete: 'memory' }, reason: "unable to delete required option 'memory'" },
    { body: { tags: 'x', digest: 'old' }, reason: 'checksum mismatch (file change by other user?)' },
  ])('refuses $body', async ({ body, reason }) => {
    const { put } = await container();
    expect(await put(body)).toMatchObject({ status: 500, reason });
  });

  it('takes memory and tags while running, and keeps a name server for the next start', async () => {
    const { api, put, config } = await container();
    await api.task('POST', `${api.ct(CTID)}/status/start`);
    expect((await put({ memory: 1024, nameserver: '1.1.1.1' })).status).toBe(200);
    expect(await config('?current=1')).toMatchObject({ memory: 1024 });
    expect(await config('?current=1')).not.toHaveProperty('nameserver');
    expect(await config()).toMatchObject({ nameserver: '1.1.1.1' });
    await api.task('POST', `${api.ct(CTID)}/status/reboot`);
    expect(await config('?current=1')).toMatchObject({ nameserver: '1.1.1.1' });
  });

  it('has no POST, no agent and no commands', async () => {
    const { api } = await container();
    expect((await api.post(`${api.ct(CTID)}/config`, { tags: 'x' })).status).toBe(501);
    expect((await api.post(`${api.ct(CTID)}/agent/exec`, { command: 'true' })).status).toBe(501);
  });
});

describe('lists of simulated containers', () => {
  it('shows containers apart from VMs, and templates as such', async () => {
    const { api } = await container();
    const { data } = (await api.get('/nodes/pve1/lxc')).body;
    expect(data).toMatchObject([
      { type: 'lxc', vmid: CT_TEMPLATE.vmid, template: 1 },
      { type: 'lxc', vmid: CTID, status: 'stopped', name: 'pvelxc-00004e21' },
    ]);
    expect((await api.get('/nodes/pve1/qemu')).body.data).toEqual([]);
    expect((await api.get('/cluster/resources?type=vm')).body.data).toMatchObject([
      { id: `lxc/${CT_TEMPLATE.vmid}`, template: 1 },
      { id: `lxc/${CTID}`, type: 'lxc', status: 'stopped' },
    ]);
  });

  it('has interfaces while it runs, and null before', async () => {
    const { api } = await container();
    expect((await api.get(`${api.ct(CTID)}/interfaces`)).body).toEqual({ data: null });
    await api.task('POST', `${api.ct(CTID)}/status/start`);
    const { data } = (await api.get(`${api.ct(CTID)}/interfaces`)).body;
    expect(data).toMatchObject([
      { name: 'lo' },
      { name: 'eth0', inet: '127.0.78.33/8', 'ip-addresses': [{ 'ip-address-type': 'inet' }, {}] },
    ]);
  });

  it('calls a container without a hostname CT and its number', async () => {
    const { api, pve } = await container();
    pve.operator.configure(CTID, { hostname: undefined });
    expect((await api.get(`${api.ct(CTID)}/status/current`)).body.data.name).toBe(`CT${CTID}`);
  });
});
