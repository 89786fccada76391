/** Troubles of cmux's history that must not come back,. */
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

let running: TestSystem | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

async function start(options?: Parameters<typeof startTestSystem>[0]): Promise<TestSystem> {
  running = await startTestSystem(options);
  return running;
}

test('pain 1, VMID race: ids that others take meanwhile are left to them, and parallel starts never share one', async () => {
  const { producer, simulators, vms } = await start();
  const first = await producer.start({ preset: PRESET });
  const next = (first.vmid ?? 0) + 1;
  simulators.pve.operator.add({ vmid: next, name: 'somebody-elses', kind: 'qemu' });
  simulators.pve.operator.add({ vmid: next + 2, name: 'somebody-elses-container', kind: 'lxc' });
  const sandboxes = await Promise.all(Array.from({ length: 8 }, () => producer.start({ preset: PRESET })));
  const vmids = sandboxes.map(({ vmid }) => vmid);
  expect(new Set(vmids).size).toBe(8);
  expect(vmids).not.toContain(next);
  expect(vmids).not.toContain(next + 2);
  expect(sandboxes.every(({ provider }) => provider === 'pve-vm')).toBe(true);
  expect(vms().filter(({ name }) => name.startsWith('somebody'))).toHaveLength(2);
});

test('pain 3, a clone that outlives our patience: the start goes elsewhere, and the late guest is removed when it appears', async () => {
  const { producer, simulators, vms, instances } = await start({ timing: { cloneTimeoutMs: 500 } });
  simulators.pve.faults.add({ action: { kind: 'slow-task', taskType: 'qmclone', ms: 3_000 }, times: 1 });
  const sandbox = await producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ provider: 'morph', fellBackFrom: ['pve-vm'] });
  expect(vms()).toHaveLength(1);
  await eventually('the late clone is removed', () => vms().length === 0);
  expect(instances()).toHaveLength(1);
});

test('pain 4, a start that fails after its clone leaves nothing behind', async () => {
  const { producer, simulators, vms } = await start();
  simulators.pve.faults.add({
    action: { kind: 'fail-task', taskType: 'qmstart', exitstatus: 'start failed: QEMU exited with code 1' },
  });
  const sandbox = await producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ provider: 'morph', fellBackFrom: ['pve-vm'] });
  simulators.pve.faults.clear();
  await eventually('the guest that cannot boot is removed', () => vms().length === 0);
});

test('pain 5, a guest is made and the write of it is lost: the recorded intent finds it again', async () => {
  const system = await start({ workers: false });
  const first = await startWorkerProcess(system.options, {
    signalAt: { step: 'create', when: 'after', signal: 'SIGKILL' },
  });
  const begun = system.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
  await first.untilSignalled();
  const [record] = (await system.producer.list()).sandboxes;
  expect(record?.guestId).toBeUndefined();
  const second = await startWorkerProcess(system.options);
  try {
    const sandbox = await begun;
    expect(system.vms().map(({ name }) => name)).toEqual([sandbox.guestId]);
  } finally {
    await second.end();
  }
});

test('pain 13, destroying is idempotent: twice, and after a person removed the guest by hand', async () => {
  const { producer, simulators, vms } = await start();
  const [one, two] = await Promise.all([
    producer.start({ preset: PRESET }),
    producer.start({ preset: PRESET }),
  ]);
  simulators.pve.operator.remove(one.vmid ?? 0);
  expect((await producer.destroy(one.id)).state).toBe('destroyed');
  expect((await producer.destroy(one.id)).state).toBe('destroyed');
  const both = await Promise.all([producer.destroy(two.id), producer.destroy(two.id)]);
  expect(both.map(({ state }) => state)).toEqual(['destroyed', 'destroyed']);
  expect(vms()).toEqual([]);
});

test('pain 16, not ready after start or resume: every service port answers when the caller is told', async () => {
  const { producer } = await start({
    latency: {
      pve: {
        cloneMs: 20,
        startMs: 20,
        suspendMs: 20,
        resumeMs: 20,
        stopMs: 10,
        destroyMs: 10,
        servicesMs: 700,
      },
    },
  });
  const started = await producer.start({ preset: PRESET });
  const statuses = (endpoints: Readonly<Record<string, string>>) =>
    Promise.all(Object.values(endpoints).map(async (url) => (await fetch(url)).status));
  expect(await statuses(started.endpoints)).toEqual([200, 200, 200, 200, 200]);
  await producer.pause(started.id);
  expect(await statuses((await producer.resume(started.id)).endpoints)).toEqual([200, 200, 200, 200, 200]);
});
