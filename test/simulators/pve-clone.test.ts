import { describe, expect, it } from 'vitest';
import { eventually, simulate, TEMPLATE } from './support.ts';

const VMID = 20_001;
const CLONE = `/nodes/pve1/qemu/${TEMPLATE.vmid}/clone`;

describe('a clone on simulated Proxmox', () => {
  it('appears only in the worker: first nothing, then a bare lock, then a name under the lock, then free', async () => {
    const { api, pve } = await simulate({ latency: { forkMs: 400, cloneMs: 400 } });
    const reply = await api.post(CLONE, { newid: VMID, name: 'pvevm-0000abcd', description: 'marker' });
    expect(pve.inventory().guests.some(({ vmid }) => vmid === VMID)).toBe(false);
    expect((await api.get(`/cluster/nextid?vmid=${VMID}`)).body.data).toBe(String(VMID));

    const seen = new Set<string>();
    await eventually(() => {
      const guest = pve.inventory().guests.find(({ vmid }) => vmid === VMID);
      if (guest !== undefined) seen.add(`${guest.name} ${guest.lock ?? 'free'} ${guest.description}`);
      return guest !== undefined && guest.lock === undefined ? guest : undefined;
    });
    expect([...seen]).toEqual([
      `VM ${VMID} clone `,
      'pvevm-0000abcd clone marker',
      'pvevm-0000abcd free marker',
    ]);
    expect(await api.ended(reply.body.data)).toBe('OK');
  });

  it('is named after its source in the UPID, so a search for the new id finds nothing', async () => {
    const { api } = await simulate({ latency: { cloneMs: 400 } });
    const upid = (await api.post(CLONE, { newid: VMID })).body.data;
    expect(upid).toMatch(/^UPID:pve1:[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:qmclone:9000:sim@pve!lifecycle:$/);
    expect((await api.get(`/nodes/pve1/tasks?source=all&vmid=${VMID}`)).body.data).toEqual([]);
    expect((await api.get('/nodes/pve1/tasks?source=active&typefilter=qmclone')).body.data).toMatchObject([
      { upid, id: '9000', status: 'RUNNING', user: 'sim@pve', tokenid: 'lifecycle' },
    ]);
    await api.ended(upid);
    const log = await api.get(`/nodes/pve1/tasks/${encodeURIComponent(upid)}/log?limit=0`);
    expect(log.body.data[0].t).toBe(`creating a clone of VM 9000 with ID ${VMID}`);
    expect(log.body.data.at(-1).t).toBe('TASK OK');
  });

  it('inherits tags, description and onboot, is no template, and has a disk of its own', async () => {
    const { api } = await simulate();
    expect(await api.task('POST', CLONE, { newid: VMID })).toBe('OK');
    const config = await api.config(VMID);
    expect(config).toMatchObject({
      name: 'Copy-of-VM-cmux-base',
      tags: TEMPLATE.tags,
      description: TEMPLATE.description,
      onboot: 1,
      scsi0: 'local-lvm:base-9000-disk-0/vm-20001-disk-0,size=32G',
    });
    expect(config).not.toHaveProperty('template');
  });

  it('is refused early when the id is taken by a VM on this node', async () => {
    const { api } = await simulate();
    await api.clone(VMID);
    expect(await api.post(CLONE, { newid: VMID })).toMatchObject({
      status: 500,
      reason: 'unable to create VM 20001: config file already exists',
    });
  });

  it.each([
    { by: 'a container', guest: { vmid: VMID, name: 'other', kind: 'lxc' } as const },
    { by: 'a VM on another node', guest: { vmid: VMID, name: 'other', node: 'pve2' } },
  ])('fails in the task when the id is taken by $by, and leaves that guest alone', async ({ guest }) => {
    const { api, pve } = await simulate({ nodes: ['pve1', 'pve2'] });
    pve.operator.add(guest);
    expect(await api.task('POST', CLONE, { newid: VMID })).toBe(
      "close (rename) atomic file '/etc/pve/nodes/pve1/qemu-server/20001.conf' failed: File exists",
    );
    expect(pve.inventory().guests.find(({ vmid }) => vmid === VMID)?.name).toBe('other');
  });

  it('gives both of two clones with one id a UPID, and fails the loser without touching the winner', async () => {
    const { api, pve } = await simulate({ latency: { forkMs: 400, cloneMs: 400, cloneFlockWaitMs: 30 } });
    const upids = await Promise.all(
      ['pvevm-aaaaaaaa', 'pvevm-bbbbbbbb'].map(
        async (name) => (await api.post(CLONE, { newid: VMID, name })).body.data,
      ),
    );
    const results = await Promise.all(upids.map((upid) => api.ended(upid)));
    expect(results.toSorted()).toEqual([
      'OK',
      "can't lock file '/var/lock/qemu-server/lock-20001.conf' - got timeout",
    ]);
    const winner = results.indexOf('OK') === 0 ? 'pvevm-aaaaaaaa' : 'pvevm-bbbbbbbb';
    expect(pve.inventory().guests.find(({ vmid }) => vmid === VMID)?.name).toBe(winner);
  });

  it('runs beside other clones of the same template', async () => {
    const { api } = await simulate();
    const results = await Promise.all([20_001, 20_002, 20_003, 20_004].map((vmid) => api.clone(vmid)));
    expect(results).toEqual(['OK', 'OK', 'OK', 'OK']);
  });

  it.each([
    {
      body: { newid: VMID, storage: 'local-lvm' },
      reason: "parameter 'storage' not allowed for linked clones",
    },
    { body: { newid: VMID, full: 1, storage: 'ceph' }, reason: "storage 'ceph' does not exist" },
    {
      body: { newid: VMID, target: 'pve2' },
      reason: "can't clone VM to node 'pve2' (VM uses local storage)",
    },
  ])('refuses $body', async ({ body, reason }) => {
    const { api } = await simulate({ nodes: ['pve1', 'pve2'] });
    expect(await api.post(CLONE, body)).toMatchObject({ status: 500, reason });
  });

  it('goes into an existing pool only, and at its end', async () => {
    const { api } = await simulate({ pools: ['agents'] });
    expect(await api.post(CLONE, { newid: VMID, pool: 'nope' })).toMatchObject({
      status: 403,
      reason: "Permission check failed (pool 'nope' does not exist)",
    });
    expect(await api.task('POST', CLONE, { newid: VMID, pool: 'agents' })).toBe('OK');
    expect((await api.get('/pools?poolid=agents')).body.data[0].members).toMatchObject([{ vmid: VMID }]);
  });

  it('cleans up after a failure, and after an interrupt', async () => {
    const { api, pve } = await simulate({ latency: { cloneMs: 500 } });
    const exitstatus = 'clone failed: cfs-lock error: got lock request timeout';
    pve.faults.add({ action: { kind: 'fail-task', taskType: 'qmclone', exitstatus }, times: 1 });
    expect(await api.task('POST', CLONE, { newid: VMID })).toBe(exitstatus);
    const upid = (await api.post(CLONE, { newid: VMID })).body.data;
    await eventually(() => pve.inventory().guests.find(({ vmid }) => vmid === VMID));
    expect((await api.del(`/nodes/pve1/tasks/${encodeURIComponent(upid)}`)).body).toEqual({ data: null });
    expect(await api.ended(upid)).toBe('clone failed: interrupted by signal');
    expect(pve.inventory().guests).toHaveLength(1);
  });

  it('leaves a locked target that no token can free when its worker is killed', async () => {
    const { api, pve } = await simulate();
    pve.faults.add({ action: { kind: 'kill-task', taskType: 'qmclone' }, times: 1 });
    expect(await api.task('POST', CLONE, { newid: VMID })).toBe('unexpected status');
    expect(await api.status(VMID)).toMatchObject({ lock: 'clone' });
    expect(await api.task('DELETE', api.vm(VMID))).toBe('VM is locked (clone)');
    expect((await api.put(`${api.vm(VMID)}/config`, { delete: 'lock' })).reason).toBe(
      "only root can set 'lock' config",
    );
    pve.operator.unlock(VMID);
    expect(await api.task('DELETE', api.vm(VMID))).toBe('OK');
  });
});
