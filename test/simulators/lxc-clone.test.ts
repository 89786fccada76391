import { describe, expect, it } from 'vitest';
import { CT_TEMPLATE, eventually, simulate, visit } from './support.ts';

const CTID = 20_001;
const NAME = 'pvelxc-00004e21';
const CLONE = `/nodes/pve1/lxc/${CT_TEMPLATE.vmid}/clone`;

const withTemplate = { templates: [CT_TEMPLATE] };

describe('a clone of a simulated container', () => {
  it('is there at once under lock create, without its root disk, while its source is locked', async () => {
    const { api } = await simulate({ ...withTemplate, latency: { ctCloneMs: 600 } });
    const reply = await api.post(CLONE, { newid: CTID, hostname: NAME, description: 'marker' });
    expect(reply.body.data).toMatch(/:vzclone:9100:/);
    const early = (await api.get(`${api.ct(CTID)}/config`)).body.data;
    expect(early).toMatchObject({ hostname: NAME, lock: 'create', description: 'marker\n' });
    expect(early).not.toHaveProperty('rootfs');
    expect((await api.get(`${api.ct(CT_TEMPLATE.vmid)}/status/current`)).body.data.lock).toBe('disk');
    expect((await api.get(`/cluster/nextid?vmid=${CTID}`)).status).toBe(400);
    await eventually(async () => {
      const { rootfs, lock } = (await api.get(`${api.ct(CTID)}/config`)).body.data;
      return rootfs !== undefined && lock === 'create';
    });
    expect(await api.ended(reply.body.data)).toBe('OK');
    const late = (await api.get(`${api.ct(CTID)}/config`)).body.data;
    expect(late).toMatchObject({ rootfs: 'local-lvm:base-9100-disk-0/vm-20001-disk-0,size=32G' });
    expect(late).not.toHaveProperty('lock');
    expect((await api.get(`${api.ct(CT_TEMPLATE.vmid)}/config`)).body.data).not.toHaveProperty('lock');
  });

  it('refuses a second clone of one template until the first has ended', async () => {
    const { api } = await simulate({ ...withTemplate, latency: { ctCloneMs: 400 } });
    const replies = await Promise.all([CTID, 20_002].map((newid) => api.post(CLONE, { newid })));
    expect(replies.map(({ reason }) => reason).toSorted()).toEqual(['CT is locked (disk)', 'OK']);
    const first = replies.find(({ status }) => status === 200)?.body.data;
    expect(await api.ended(first)).toBe('OK');
    expect(await api.task('POST', CLONE, { newid: 20_003 })).toBe('OK');
  });

  it('inherits hostname, tags, description, features and hookscript, and has an address of its own', async () => {
    const template = { ...CT_TEMPLATE, hookscript: 'local:snippets/hook.sh', features: 'nesting=1' };
    const { api } = await simulate({ templates: [template] });
    expect(await api.task('POST', CLONE, { newid: CTID })).toBe('OK');
    const config = (await api.get(`${api.ct(CTID)}/config`)).body.data;
    expect(config).toMatchObject({
      hostname: CT_TEMPLATE.name,
      tags: CT_TEMPLATE.tags,
      description: `${CT_TEMPLATE.description}\n`,
      hookscript: 'local:snippets/hook.sh',
      features: 'nesting=1',
      net0: 'name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:4E:21,ip=dhcp,type=veth',
    });
    expect(config).not.toHaveProperty('template');
  });

  it.each([
    { body: { storage: 'local-lvm' }, reason: "parameter 'storage' not allowed for linked clones" },
    { body: { full: 1, storage: 'ceph' }, reason: "storage 'ceph' does not exist" },
    { body: { target: 'pve2' }, reason: "can't clone CT to node 'pve2' (CT uses local storage)" },
    { body: { target: 'pve9' }, reason: "no such cluster node 'pve9'" },
    {
      body: { full: 1, storage: 'local-lvm', target: 'pve2' },
      reason: "can't clone to non-shared storage 'local-lvm'",
    },
    { body: { snapname: 'first' }, reason: "snapshot 'first' does not exist" },
  ])('refuses $body with $reason and frees its source', async ({ body, reason }) => {
    const { api } = await simulate({ ...withTemplate, nodes: ['pve1', 'pve2'] });
    expect(await api.post(CLONE, { newid: CTID, ...body })).toMatchObject({ status: 500, reason });
    expect((await api.get(`${api.ct(CT_TEMPLATE.vmid)}/config`)).body.data).not.toHaveProperty('lock');
    expect((await api.get(`/cluster/nextid?vmid=${CTID}`)).status).toBe(200);
  });

  it('can be linked to templates only, and cannot take a bind mount along', async () => {
    const { api, pve } = await simulate(withTemplate);
    await api.cloneCt(CTID);
    expect((await api.post(`${api.ct(CTID)}/clone`, { newid: 20_002, full: 0 })).reason).toBe(
      "Linked clone feature for 'local-lvm:base-9100-disk-0/vm-20001-disk-0' is not available",
    );
    expect(await api.task('POST', `${api.ct(CTID)}/clone`, { newid: 20_002 })).toBe('OK');
    pve.operator.configure(CTID, { mp0: '/srv/share,mp=/share' });
    expect((await api.post(`${api.ct(CTID)}/clone`, { newid: 20_003 })).reason).toBe(
      "unable to clone mountpoint 'mp0' (type bind)",
    );
  });

  it('joins its pool at the end', async () => {
    const { api } = await simulate({ ...withTemplate, pools: ['agents'] });
    expect(await api.task('POST', CLONE, { newid: CTID, pool: 'agents' })).toBe('OK');
    expect((await api.get('/pools?poolid=agents')).body.data[0].members).toMatchObject([
      { id: `lxc/${CTID}`, type: 'lxc' },
    ]);
  });

  it('cleans up after a failure, and after an interrupt', async () => {
    const { api, pve } = await simulate({ ...withTemplate, latency: { ctCloneMs: 500 } });
    const exitstatus = 'clone failed: cfs-lock error: got lock request timeout';
    pve.faults.add({ action: { kind: 'fail-task', taskType: 'vzclone', exitstatus }, times: 1 });
    expect(await api.task('POST', CLONE, { newid: CTID })).toBe(exitstatus);
    const upid = (await api.post(CLONE, { newid: CTID })).body.data;
    await eventually(async () => {
      const log = await api.get(`/nodes/pve1/tasks/${encodeURIComponent(upid)}/log`);
      return log.body.data[0].t !== 'no content';
    });
    await api.del(`/nodes/pve1/tasks/${encodeURIComponent(upid)}`);
    expect(await api.ended(upid)).toBe('clone failed: interrupted by signal');
    expect(pve.inventory().guests).toMatchObject([{ vmid: CT_TEMPLATE.vmid }]);
    expect(pve.inventory().guests[0]).not.toHaveProperty('lock');
  });

  it('leaves a locked template and a locked target behind when its worker is killed', async () => {
    const { api, pve } = await simulate(withTemplate);
    pve.faults.add({ action: { kind: 'kill-task', taskType: 'vzclone' }, times: 1 });
    expect(await api.task('POST', CLONE, { newid: CTID })).toBe('unexpected status');
    expect(pve.inventory().guests.map(({ lock }) => lock)).toEqual(['disk', 'create']);
    expect((await api.post(CLONE, { newid: 20_002 })).reason).toBe('CT is locked (disk)');
    expect((await api.put(`${api.ct(CT_TEMPLATE.vmid)}/config`, { delete: 'lock' })).reason).toBe(
      'CT is locked (disk)',
    );
    expect((await api.del(api.ct(CTID))).reason).toBe('CT is locked (create)');
    pve.operator.unlock(CT_TEMPLATE.vmid);
    pve.operator.unlock(CTID);
    expect(await api.task('DELETE', api.ct(CTID))).toBe('OK');
    expect(await api.task('POST', CLONE, { newid: 20_002 })).toBe('OK');
  });
});

describe('a simulated container', () => {
  it('answers at the gateway, and begins to count anew after a stop', async () => {
    const { api, gatewayUrl, pve } = await simulate(withTemplate);
    await api.cloneCt(CTID);
    await api.task('POST', `${api.ct(CTID)}/status/start`);
    const seen = await eventually(async () => {
      const { status, body } = await visit(gatewayUrl, NAME);
      return status === 200 && body.counter >= 2 ? body : undefined;
    });
    expect(seen).toMatchObject({ guest: NAME, bootCount: 1 });
    await api.task('POST', `${api.ct(CTID)}/status/shutdown`);
    expect((await visit(gatewayUrl, NAME)).status).toBe(503);
    expect(pve.inventory().guests.find(({ vmid }) => vmid === CTID)?.counter).toBe(0);
    const beforeMs = performance.now();
    await api.task('POST', `${api.ct(CTID)}/status/start`);
    const again = await eventually(async () => {
      const { status, body } = await visit(gatewayUrl, NAME);
      return status === 200 ? body : undefined;
    });
    expect(again.bootCount).toBe(2);
    expect(again.counter).toBeLessThanOrEqual(Math.ceil((performance.now() - beforeMs) / 100));
  });

  it('boots once when two starts are sent before it is up', async () => {
    const { api, pve } = await simulate({ ...withTemplate, latency: { ctStartMs: 300 } });
    await api.cloneCt(CTID);
    const start = () => api.task('POST', `${api.ct(CTID)}/status/start`);
    expect(await Promise.all([start(), start()])).toEqual(['OK', 'OK']);
    expect(pve.inventory().guests.find(({ vmid }) => vmid === CTID)?.bootCount).toBe(1);
  });

  it('keeps a checkpoint only until the next container of its node is suspended', async () => {
    const { api, pve } = await simulate(withTemplate);
    for (const ctid of [CTID, 20_002]) {
      await api.cloneCt(ctid);
      await api.task('POST', `${api.ct(ctid)}/status/start`);
    }
    const bootsOf = (ctid: number) => pve.inventory().guests.find(({ vmid }) => vmid === ctid)?.bootCount;
    expect(await api.task('POST', `${api.ct(CTID)}/status/suspend`)).toBe('OK');
    const status = (await api.get(`${api.ct(CTID)}/status/current`)).body.data;
    expect(status.status).toBe('stopped');
    expect(status).not.toHaveProperty('lock');
    expect(await api.task('POST', `${api.ct(20_002)}/status/suspend`)).toBe('OK');
    expect(await api.task('POST', `${api.ct(CTID)}/status/resume`)).toMatch(
      /^command 'lxc-checkpoint .* failed/,
    );
    expect(await api.task('POST', `${api.ct(20_002)}/status/resume`)).toBe('OK');
    expect(bootsOf(20_002)).toBe(1);
  });

  it('aborts a slow shutdown when its stop overrules it', async () => {
    const { api } = await simulate({ ...withTemplate, latency: { shutdownMs: 5000 } });
    await api.cloneCt(CTID);
    await api.task('POST', `${api.ct(CTID)}/status/start`);
    const slow = (await api.post(`${api.ct(CTID)}/status/shutdown`)).body.data;
    expect(await api.task('POST', `${api.ct(CTID)}/status/stop`, { 'overrule-shutdown': 1 })).toBe('OK');
    expect(await api.ended(slow)).toBe('received interrupt');
  });

  it('becomes a template by a call that answers null, though a task does it', async () => {
    const { api } = await simulate(withTemplate);
    await api.cloneCt(CTID);
    expect((await api.post(`${api.ct(CTID)}/template`)).body).toEqual({ data: null });
    await eventually(async () => (await api.get(`${api.ct(CTID)}/config`)).body.data.template === 1);
    expect((await api.get(`${api.ct(CTID)}/config`)).body.data.rootfs).toMatch(/base-20001-disk-0,/);
    expect((await api.post(`${api.ct(CTID)}/template`)).reason).toBe(
      "you can't convert a template to a template",
    );
    const { data } = (await api.get('/nodes/pve1/tasks?typefilter=vztemplate')).body;
    expect(data).toMatchObject([{ id: String(CTID), status: 'OK' }]);
  });
});
