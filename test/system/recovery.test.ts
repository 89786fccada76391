import { Worker } from 'bullmq';
import { afterEach, expect, test } from 'vitest';
import type { LifecycleError } from '../../src/core/lifecycle-error.ts';
import { startSystem } from '../../src/main/system.ts';
import { queueName } from '../../src/queues/queues.ts';
import { eventually } from '../support/eventually.ts';
import { FAST_RECOVERY, PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

let running: TestSystem | undefined;
const workers: WorkerProcess[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.end()));
  await running?.close();
  running = undefined;
});

async function start(options?: Parameters<typeof startTestSystem>[0]): Promise<TestSystem> {
  running = await startTestSystem(options);
  return running;
}

async function worker(
  test: TestSystem,
  extra?: Parameters<typeof startWorkerProcess>[1],
): Promise<WorkerProcess> {
  const started = await startWorkerProcess(test.options, extra);
  workers.push(started);
  return started;
}

for (const [name, when] of [
  ['create', 'after'],
  ['configure', 'after'],
  ['boot', 'before'],
  ['boot', 'after'],
] as const) {
  test(`a worker killed ${when} step ${name} of a start: another carries it on, settled once, one guest`, async () => {
    const system = await start({ workers: false });
    const first = await worker(system, { signalAt: { step: name, when, signal: 'SIGKILL' } });
    const begun = system.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
    await first.untilSignalled();
    await worker(system);
    const sandbox = await begun;
    expect(sandbox).toMatchObject({ state: 'running', provider: 'pve-vm' });
    expect(system.vms()).toMatchObject([{ name: sandbox.guestId, status: 'running', bootCount: 1 }]);
    expect(system.instances()).toEqual([]);
    expect(await settlements(system, sandbox.cause)).toBe(1);
  });
}

test('a worker killed between taking the send permit and sending: nobody sends twice, the start goes elsewhere', async () => {
  const system = await start({ workers: false });
  const first = await worker(system, { signalAt: { step: 'create', when: 'before', signal: 'SIGKILL' } });
  const begun = system.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
  await first.untilSignalled();
  await worker(system);
  const sandbox = await begun;
  expect(sandbox).toMatchObject({ state: 'running', provider: 'morph', fellBackFrom: ['pve-vm'] });
  expect(system.vms()).toEqual([]);
  expect(system.instances()).toHaveLength(1);
  expect(await settlements(system, sandbox.cause)).toBe(1);
});

test('a worker that was frozen past its lease sends nothing after the next claim', async () => {
  const system = await start({ workers: false });
  const frozen = await worker(system, { signalAt: { step: 'boot', when: 'before', signal: 'SIGSTOP' } });
  const begun = system.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
  await frozen.untilSignalled();
  const other = await worker(system);
  const sandbox = await begun;
  expect(sandbox).toMatchObject({ state: 'running', provider: 'pve-vm' });

  // Only the frozen worker is left: that it carries out a second start shows that it is awake again, and by
  // then the rest of its first attempt is behind it.
  await other.end();
  frozen.thaw();
  const second = await system.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
  expect(second.state).toBe('running');
  expect(system.vms().map(({ bootCount }) => bootCount)).toEqual([1, 1]);
  expect(system.simulators.pve.inventory().calls['POST /nodes/{node}/qemu/{vmid}/status/start']).toBe(2);
  expect(await settlements(system, sandbox.cause)).toBe(1);
});

test('the reply to a clone is lost after the effect: one guest, adopted', async () => {
  const system = await start();
  system.simulators.pve.faults.add({
    method: 'POST',
    path: '/clone$',
    action: { kind: 'lose-reply' },
    times: 1,
  });
  const sandbox = await system.producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ state: 'running', provider: 'pve-vm' });
  expect(system.vms()).toHaveLength(1);
  expect(system.instances()).toEqual([]);
});

test('the reply to a Morph start is lost after the effect: one guest, adopted', async () => {
  const system = await start({ routing: { primary: 'morph', fallbacks: [], byWorkload: {} } });
  system.simulators.morph.faults.add({
    method: 'POST',
    path: '/instance$',
    action: { kind: 'lose-reply' },
    times: 1,
  });
  const sandbox = await system.producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ state: 'running', provider: 'morph' });
  expect(system.instances()).toHaveLength(1);
});

test('a clone that fails in its task leaves nothing, and the start goes on to morph', async () => {
  const system = await start();
  system.simulators.pve.faults.add({
    action: { kind: 'fail-task', taskType: 'qmclone', exitstatus: 'clone failed: no space left on device' },
  });
  const sandbox = await system.producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ provider: 'morph', fellBackFrom: ['pve-vm'] });
  expect(system.vms()).toEqual([]);
});

test.each([
  ['is condemned, for it may still become visible', 0, 'condemned'],
  ['is gone, once a create that was sent then would have shown', 40_000, 'gone'],
] as const)('an instance that Morph accepted and does not know %s', async (_fate, laterMs, state) => {
  let aheadMs = 0;
  const system = await start({
    routing: { primary: 'morph', fallbacks: [], byWorkload: {} },
    nowMs: () => Date.now() + aheadMs,
    sweeps: false,
    onStep: async (name, when) => {
      if (name !== 'create' || when !== 'after') return;
      const [instance] = running?.instances() ?? [];
      await fetch(`${running?.simulators.morph.url}/instance/${instance?.id}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${running?.simulators.morph.apiKey}` },
      });
      aheadMs = laterMs;
    },
  });
  const failure = await system.producer.start({ preset: PRESET }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'no_provider_available' });
  const { store } = system.system;
  const { attempts } = await system.producer.operation((failure as LifecycleError).operationId ?? '');
  expect(attempts).toMatchObject([
    { failure: { kind: 'not_found', effect: state === 'gone' ? 'none' : 'applied' } },
  ]);
  expect(await store.reading.guest(attempts[0]?.guestId ?? '')).toMatchObject({ state });
});

test('a guest that never answers is condemned before the fallback, and removed', async () => {
  const system = await start({
    latency: {
      pve: {
        cloneMs: 20,
        startMs: 20,
        suspendMs: 20,
        resumeMs: 20,
        stopMs: 10,
        destroyMs: 10,
        servicesMs: 600_000,
      },
    },
    timing: { usableTimeoutMs: 400 },
  });
  const sandbox = await system.producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ provider: 'morph', fellBackFrom: ['pve-vm'] });
  await eventually('the condemned guest is removed', () => system.vms().length === 0);
  expect((await system.producer.get(sandbox.id)).state).toBe('running');
  expect(system.instances()).toHaveLength(1);
});

test('Proxmox goes away between clone and boot: the guest is condemned, and goes when Proxmox is back', async () => {
  const system = await start({
    onStep: async (name, when) => {
      if (name === 'boot' && when === 'before') await running?.simulators.pve.setDown(true);
    },
  });
  const sandbox = await system.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
  expect(sandbox).toMatchObject({ provider: 'morph', fellBackFrom: ['pve-vm'] });
  await system.simulators.pve.setDown(false);
  await eventually('the condemned guest is removed', () => system.vms().length === 0);
});

test('an attempt whose job was never added, or was deleted, is carried on by rescue', async () => {
  const system = await start({ workers: false });
  // No provider has announced itself yet: a worker publishes what the start needs, and is ended again.
  const publisher = await worker(system);
  await publisher.end();
  const begun = system.producer.start({ preset: PRESET }, { timeoutMs: 60_000 });
  const queue = system.system.queues.byProvider.get('pve-vm');
  const job = await eventually('the job is added', async () => (await queue?.getPrioritized())?.[0]);
  await job.remove();
  await worker(system);
  expect(await begun).toMatchObject({ state: 'running' });
  expect(system.vms()).toHaveLength(1);
});

test('a job whose worker died before it claimed anything is carried on, by the same attempt', async () => {
  const test = await start({ workers: false });
  const workers = await startSystem(test.options);
  await workers.close();
  const { store, queues } = test.system;
  const begun = test.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
  await eventually('its job is there', async () => (await queues.counts('pve-vm')).waiting === 1);
  const dead = new Worker(queueName('pve-vm'), null, {
    connection: store.redis,
    prefix: store.keys.tag,
    lockDuration: FAST_RECOVERY.lockMs,
  });
  expect(await dead.getNextJob('dead')).toBeDefined();
  await dead.close(true);
  const others = await startSystem(test.options);
  try {
    const { cause, state } = await begun;
    expect(state).toBe('running');
    const { attempts } = await test.producer.operation(cause);
    expect(attempts).toMatchObject([{ provider: 'pve-vm', outcome: 'succeeded' }]);
    expect(test.vms()).toHaveLength(1);
  } finally {
    await others.close();
  }
});

test('a start that no worker takes fails at its deadline instead of waiting for ever', async () => {
  const system = await start({ workers: false, timing: { startDeadlineMs: 100 } });
  const publisher = await worker(system);
  await publisher.end();
  const failed = system.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
  const sweeper = await startSystem({ ...system.options, roles: ['sweeps'] });
  try {
    await expect(failed).rejects.toMatchObject({ code: 'deadline_exceeded' });
  } finally {
    await sweeper.close();
  }
});

test('a destroy that is asked for in the middle of a start ends with nothing left', async () => {
  const system = await start();
  const begun = system.producer.start({ preset: PRESET }).catch((error: unknown) => error);
  const sandboxId = await eventually(
    'the sandbox is known',
    async () => (await system.producer.list()).sandboxes[0]?.id,
  );
  await eventually('its guest is being made', () => system.vms().length === 1);
  expect((await system.producer.destroy(sandboxId)).state).toBe('destroyed');
  await begun;
  await eventually('nothing is left', () => system.vms().length === 0);
});

/** How often the event log says that an operation settled. */
async function settlements({ system }: TestSystem, operationId: string): Promise<number> {
  const entries = await system.store.redis.xrange(system.store.keys.events, '-', '+');
  return entries.filter(
    ([, fields]) =>
      fields.includes('operation.settled') && fields[fields.indexOf('operationId') + 1] === operationId,
  ).length;
}
