import { describe, expect, it } from 'vitest';
import { eventually, simulate, visit } from './support.ts';

const VMID = 20_001;
const NAME = 'pvevm-00004e21';

async function running(pve: Parameters<typeof simulate>[0] = {}) {
  const world = await simulate(pve);
  await world.api.clone(VMID);
  await world.api.start(VMID);
  return world;
}

const suspend = { todisk: 1 };

describe('hibernation on simulated Proxmox', () => {
  it('runs on under lock suspending while memory is written, then is stopped under lock suspended', async () => {
    const { api, gatewayUrl } = await running({ latency: { suspendMs: 400 } });
    const upid = (await api.post(`${api.vm(VMID)}/status/suspend`, suspend)).body.data;
    expect(upid).toContain(':qmsuspend:20001:');
    const seen = await eventually(async () => {
      const status = await api.status(VMID);
      return status.lock === 'suspending' ? status : undefined;
    });
    expect(seen.status).toBe('running');
    await eventually(async () => ((await visit(gatewayUrl, NAME)).status === 503 ? true : undefined));
    expect(await api.ended(upid)).toBe('OK');
    expect(await api.config(VMID)).toMatchObject({
      lock: 'suspended',
      vmstate: expect.stringMatching(/^local-lvm:vm-20001-state-suspend-\d{4}-\d\d-\d\d$/),
    });
  });

  it('is woken by start as well as by resume, and passes through running under lock suspended', async () => {
    const { api, pve } = await running({ latency: { resumeMs: 400 } });
    await api.suspend(VMID);
    const upid = (await api.post(`${api.vm(VMID)}/status/start`)).body.data;
    const seen = await eventually(async () => {
      const status = await api.status(VMID);
      return status.status === 'running' ? status : undefined;
    });
    expect(seen).toMatchObject({ lock: 'suspended', qmpstatus: 'inmigrate' });
    expect(await api.ended(upid)).toBe('OK');
    expect(await api.status(VMID)).toMatchObject({ status: 'running', qmpstatus: 'running' });
    expect(await api.config(VMID)).not.toHaveProperty('vmstate');
    expect(pve.inventory().guests.find(({ vmid }) => vmid === VMID)?.bootCount).toBe(1);
  });

  it('freezes the counter, goes on with it after the resume, and begins again at 0 after a cold boot', async () => {
    const { api, pve } = await running();
    const counter = () => pve.inventory().guests.find(({ vmid }) => vmid === VMID)?.counter ?? -1;
    await eventually(() => (counter() >= 2 ? true : undefined));
    await api.suspend(VMID);
    const frozen = counter();
    expect(frozen).toBeGreaterThanOrEqual(2);
    await api.status(VMID);
    expect(counter()).toBe(frozen);
    await api.task('POST', `${api.vm(VMID)}/status/resume`);
    await eventually(() => (counter() > frozen ? true : undefined));
    await api.task('POST', `${api.vm(VMID)}/status/stop`);
    expect(counter()).toBe(0);
    const beforeMs = performance.now();
    await api.start(VMID);
    expect(counter()).toBeLessThanOrEqual(Math.ceil((performance.now() - beforeMs) / 100));
    expect(pve.inventory().guests.find(({ vmid }) => vmid === VMID)?.bootCount).toBe(2);
  });

  it('keeps lock suspending, a running VM and no image when writing fails', async () => {
    const { api, pve } = await running();
    const exitstatus = "query-savevm failed with error 'no space'";
    pve.faults.add({ action: { kind: 'fail-task', taskType: 'qmsuspend', exitstatus }, times: 1 });
    expect(await api.suspend(VMID)).toBe(exitstatus);
    expect(await api.status(VMID)).toMatchObject({ status: 'running', lock: 'suspending' });
    expect(await api.config(VMID)).not.toHaveProperty('vmstate');
    expect(await api.task('POST', `${api.vm(VMID)}/status/stop`)).toBe('VM is locked (suspending)');
  });

  it('lets two images begin in the room of one, and fails the one that is whole last', async () => {
    const { api } = await running({ storageGib: 32 + 2 * 3.2 + 20, latency: { suspendMs: 300 } });
    const other = VMID + 1;
    await api.clone(other);
    await api.start(other);
    const both = await Promise.all([api.suspend(VMID), api.suspend(other)]);
    expect(both.toSorted()).toEqual(['OK', "query-savevm failed with error 'No space left on device'"]);
    const states = [await api.status(VMID), await api.status(other)];
    expect(states.map(({ status, lock }) => `${status} ${lock}`).toSorted()).toEqual([
      'running suspending',
      'stopped suspended',
    ]);
  });

  it('fails without a lock when the image does not fit on the storage', async () => {
    const { api } = await running({ storageGib: 40 });
    expect(await api.suspend(VMID)).toMatch(/Insufficient free space/);
    const status = await api.status(VMID);
    expect(status).toMatchObject({ status: 'running' });
    expect(status).not.toHaveProperty('lock');
  });

  it('can be resumed again after a failed load', async () => {
    const { api, pve } = await running();
    await api.suspend(VMID);
    const exitstatus = 'start failed: QEMU exited with code 1';
    pve.faults.add({ action: { kind: 'fail-task', taskType: 'qmresume', exitstatus }, times: 1 });
    expect(await api.task('POST', `${api.vm(VMID)}/status/resume`)).toBe(exitstatus);
    expect(await api.status(VMID)).toMatchObject({ status: 'stopped', lock: 'suspended' });
    expect(await api.task('POST', `${api.vm(VMID)}/status/resume`)).toBe('OK');
  });

  it('lets a second resume fail on the file lock while the first one loads the image', async () => {
    const { api } = await running({ latency: { resumeMs: 800, flockWaitMs: 30 } });
    await api.suspend(VMID);
    const first = (await api.post(`${api.vm(VMID)}/status/resume`)).body.data;
    await eventually(async () => ((await api.status(VMID)).status === 'running' ? true : undefined));
    expect(await api.task('POST', `${api.vm(VMID)}/status/resume`)).toBe(
      "can't lock file '/var/lock/qemu-server/lock-20001.conf' - got timeout",
    );
    expect(await api.ended(first)).toBe('OK');
  });

  it('calls a hibernated VM not running when its file lock is held by another task', async () => {
    const { api } = await running({ latency: { destroyMs: 1000, forkMs: 0, flockWaitMs: 30 } });
    await api.suspend(VMID);
    await api.del(api.vm(VMID));
    const reply = await eventually(async () => {
      const resume = await api.post(`${api.vm(VMID)}/status/resume`);
      return resume.status === 500 ? resume : undefined;
    });
    expect(reply.reason).toBe(`VM ${VMID} not running`);
    expect(await api.status(VMID)).toMatchObject({ lock: 'suspended' });
  });

  it('is given up by deleting vmstate, which frees the lock and forgets the memory', async () => {
    const { api, pve } = await running();
    await api.suspend(VMID);
    expect((await api.put(`${api.vm(VMID)}/config`, { delete: 'vmstate' })).status).toBe(200);
    expect(await api.status(VMID)).not.toHaveProperty('lock');
    await api.start(VMID);
    expect(pve.inventory().guests.find(({ vmid }) => vmid === VMID)?.bootCount).toBe(2);
  });

  it('without todisk pauses the CPUs only: running for the list, paused for QMP', async () => {
    const { api, gatewayUrl } = await running();
    const upid = (await api.post(`${api.vm(VMID)}/status/suspend`)).body.data;
    expect(upid).toContain(':qmpause:');
    expect(await api.ended(upid)).toBe('OK');
    expect(await api.status(VMID)).toMatchObject({ status: 'running', qmpstatus: 'paused' });
    expect((await api.get('/nodes/pve1/qemu')).body.data[1]).not.toHaveProperty('qmpstatus');
    expect((await visit(gatewayUrl, NAME)).status).toBe(503);
    expect(await api.task('POST', `${api.vm(VMID)}/status/resume`)).toBe('OK');
    await eventually(async () => ((await visit(gatewayUrl, NAME)).status === 200 ? true : undefined));
  });

  it('loses its memory when the host kills the process', async () => {
    const { api, pve } = await running();
    pve.operator.kill(VMID);
    expect(await api.status(VMID)).toMatchObject({ status: 'stopped' });
    expect(pve.inventory().guests.find(({ vmid }) => vmid === VMID)?.counter).toBe(0);
  });
});
