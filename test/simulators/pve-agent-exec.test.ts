import { describe, expect, it } from 'vitest';
import { eventually, simulate } from './support.ts';

const VMID = 20_001;

async function guest(pve: Parameters<typeof simulate>[0] = {}) {
  const world = await simulate(pve);
  const { api } = world;
  await api.clone(VMID);
  await api.start(VMID);
  const exec = (command: readonly string[], input?: string) => {
    const body = new URLSearchParams(command.map((word): [string, string] => ['command', word]));
    if (input !== undefined) body.set('input-data', input);
    return api.post(`${api.vm(VMID)}/agent/exec`, body);
  };
  const status = (pid: number) => api.get(`${api.vm(VMID)}/agent/exec-status?pid=${pid}`);
  const run = async (command: readonly string[], input?: string) =>
    (await status((await exec(command, input)).body.data.pid)).body.data;
  return { ...world, exec, status, run };
}

describe('commands in a simulated VM', () => {
  it('plant a value in memory that survives hibernation and no cold boot', async () => {
    const { api, run } = await guest();
    expect(await run(['tee', '/dev/shm/planted'], '42\n')).toEqual({
      exited: 1,
      exitcode: 0,
      'out-data': '42\n',
    });
    await api.suspend(VMID);
    await api.task('POST', `${api.vm(VMID)}/status/resume`);
    expect(await run(['cat', '/dev/shm/planted'])).toMatchObject({ 'out-data': '42\n' });
    await api.task('POST', `${api.vm(VMID)}/status/reboot`);
    expect(await run(['cat', '/dev/shm/planted'])).toEqual({
      exited: 1,
      exitcode: 1,
      'err-data': 'cat: /dev/shm/planted: No such file or directory\n',
    });
  });

  it('read and set the clock, which stands still while the guest does', async () => {
    const { api, run } = await guest();
    const time = async () => (await api.get(`${api.vm(VMID)}/agent/get-time`)).body.data.result / 1e6;
    const [asleepFrom, ownTime] = [Date.now(), await time()];
    await api.suspend(VMID);
    const asleepMs = Date.now() - asleepFrom;
    await api.start(VMID);
    expect(Date.now() - (await time())).toBeGreaterThan(0);
    expect((await time()) - ownTime).toBeLessThan(Date.now() - asleepFrom);
    expect(asleepMs).toBeGreaterThan(0);
    expect(await run(['date', '-s', '@1700000000'])).toEqual({ exited: 1, exitcode: 0 });
    expect((await time()) - 1_700_000_000_000).toBeLessThan(60_000);
    expect(await run(['date', '-s', 'yesterday'])).toMatchObject({ exitcode: 1 });
  });

  it('plant a process that lives on through hibernation and is unknown after a boot', async () => {
    const { api, exec, status } = await guest();
    const { pid } = (await exec(['sleep', '3600'])).body.data;
    expect((await status(pid)).body.data).toEqual({ exited: 0 });
    await api.suspend(VMID);
    await api.start(VMID);
    expect((await status(pid)).body.data).toEqual({ exited: 0 });
    await api.task('POST', `${api.vm(VMID)}/status/reboot`);
    expect(await status(pid)).toMatchObject({ status: 500, reason: "Agent error: Invalid parameter 'pid'" });
  });

  it('show the boot id, which a resume keeps, and the running time, which goes on', async () => {
    const { api, run } = await guest();
    const bootId = async () => (await run(['cat', '/proc/sys/kernel/random/boot_id']))['out-data'];
    const uptime = async () => Number.parseFloat((await run(['cat', '/proc/uptime']))['out-data']);
    const [id, before] = [await bootId(), await uptime()];
    expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/);
    await api.suspend(VMID);
    await api.start(VMID);
    expect(await bootId()).toBe(id);
    expect(await uptime()).toBeGreaterThan(before);
    await api.task('POST', `${api.vm(VMID)}/status/reboot`);
    expect(await bootId()).not.toBe(id);
  });

  it('end after their time, and are told of once', async () => {
    const { exec, status } = await guest();
    const { pid } = (await exec(['sleep', '0.1'])).body.data;
    expect((await status(pid)).body.data).toEqual({ exited: 0 });
    await eventually(async () => (await status(pid)).body.data?.exited === 1);
    expect((await status(pid)).status).toBe(500);
  });

  it('write to the RAM disk only, and can remove what they wrote', async () => {
    const { run } = await guest();
    expect(await run(['/usr/bin/tee', '/etc/passwd'], 'x')).toMatchObject({ exitcode: 1 });
    await run(['tee', '/run/planted'], 'x');
    expect(await run(['rm', '/run/planted'])).toMatchObject({ exitcode: 0 });
    expect(await run(['rm', '/run/planted'])).toMatchObject({ exitcode: 1 });
    expect(await run(['rm', '-f', '/run/planted'])).toMatchObject({ exitcode: 0 });
    expect(await run(['echo', 'two', 'words'])).toMatchObject({ 'out-data': 'two words\n' });
  });

  it('are neither a shell nor anything else', async () => {
    const { exec } = await guest();
    expect(await exec(['sh', '-c', 'true'])).toMatchObject({
      status: 500,
      body: {
        message: 'Agent error: Failed to execute child process “sh” (No such file or directory)\n',
      },
    });
    expect((await exec([''])).reason).toBe('command or input-data (or both) required');
  });

  it.each([
    { version: '8.4.5', missing: 'VM.Monitor', acl: ['VM.Audit'] },
    { version: '9.2.3', missing: 'VM.GuestAgent.Unrestricted', acl: ['VM.Audit', 'VM.GuestAgent.Audit'] },
  ])('need $missing on $version', async ({ version, missing, acl }) => {
    const { api } = await simulate({ version, acl: { '/': acl } });
    expect(await api.post(`${api.vm(9000)}/agent/exec`, { command: 'true' })).toMatchObject({
      status: 403,
      reason: `Permission check failed (/vms/9000, ${missing})`,
    });
  });

  it('need an agent that answers', async () => {
    const { api, exec } = await guest({ latency: { servicesMs: 60_000, agentWaitMs: 20 } });
    expect((await exec(['true'])).reason).toBe('QEMU guest agent is not running');
    await api.task('POST', `${api.vm(VMID)}/status/stop`);
    expect((await exec(['true'])).reason).toBe(`VM ${VMID} is not running`);
  });
});
