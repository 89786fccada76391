import { afterEach, expect, test } from 'vitest';
import type { Sandbox } from '../../src/core/sandbox.ts';
import { isLifecycleError, type LifecycleError } from '../../src/producers/redis-producer.ts';
import { withFirstJob } from '../../src/queues/advance.ts';
import { attemptJobId } from '../../src/queues/queues.ts';
import { DEFAULT_LEASE } from '../../src/store/store.ts';
import { eventually } from '../support/eventually.ts';
import { FAST_RECOVERY, PRESET, readCounter, startTestSystem, type TestSystem } from '../support/system.ts';

let running: TestSystem | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

async function start(options?: Parameters<typeof startTestSystem>[0]): Promise<TestSystem> {
  running = await startTestSystem(options);
  return running;
}

async function failureOf(run: Promise<unknown>): Promise<LifecycleError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isLifecycleError(error)) throw new Error(`expected a LifecycleError, got ${String(error)}`);
  return error;
}

test('a sandbox runs on pve-vm, keeps its memory through suspend and resume, and leaves nothing when destroyed', async () => {
  const { producer, vms } = await start();
  const started = await producer.start({ preset: PRESET, teamId: 'team-1', taskRunId: 'run-1' });
  expect(started).toMatchObject({ state: 'running', provider: 'pve-vm', simulated: true, teamId: 'team-1' });
  expect(started.guestId).toMatch(/^pvevm-[0-9a-f]{8}$/);
  expect(Object.keys(started.endpoints).sort()).toEqual(['cdp', 'proxy', 'vnc', 'vscode', 'worker']);

  const before = await readCounter(started.endpoints.worker);
  const paused = await producer.pause(started.id);
  expect(paused).toMatchObject({ state: 'paused', preservesRam: true });
  expect(vms()).toMatchObject([{ status: 'stopped', lock: 'suspended' }]);

  const resumed = await producer.resume(started.id);
  expect(resumed).toMatchObject({ state: 'running', memoryKept: true });
  expect(resumed).not.toHaveProperty('preservesRam');
  expect(await readCounter(resumed.endpoints.worker)).toBeGreaterThanOrEqual(before);
  expect(vms()[0]?.bootCount).toBe(1);

  const destroyed = await producer.destroy(started.id);
  expect(destroyed.state).toBe('destroyed');
  expect(vms()).toEqual([]);
  expect((await producer.list()).sandboxes).toEqual([]);
  expect((await producer.list({ ended: true })).sandboxes).toMatchObject([{ id: started.id }]);
});

test('a sandbox is found by our id, by its guest id and by the provider’s own id', async () => {
  const { producer } = await start();
  const { id, guestId, providerId } = await producer.start({ preset: PRESET });
  for (const anyId of [id, guestId as string, providerId as string]) {
    expect((await producer.get(anyId)).id).toBe(id);
  }
  expect((await failureOf(producer.get('sbx-none'))).code).toBe('not_found');
});

test('with Proxmox off the next start runs on morph, and the failed attempt stays on the board with its reason', async () => {
  const { producer, simulators, system, instances } = await start();
  await simulators.pve.setDown(true);
  const sandbox = await producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ state: 'running', provider: 'morph', fellBackFrom: ['pve-vm'] });
  expect(instances()).toHaveLength(1);

  const { attempts } = await producer.operation(sandbox.cause);
  expect(attempts).toMatchObject([
    {
      provider: 'pve-vm',
      outcome: 'failed',
      failure: { kind: 'unreachable', effect: 'none' },
      followedBy: 'attempt 2 on morph',
    },
    { provider: 'morph', outcome: 'succeeded' },
  ]);
  const [failed] = (await system.queues.byProvider.get('pve-vm')?.getFailed()) ?? [];
  expect(failed?.name).toBe(`start ${sandbox.id} on pve-vm, attempt 1`);
  expect(failed?.failedReason).toMatch(/ECONNREFUSED.* → attempt 2 on morph/);
});

test('with both providers off a start fails as no_provider_available, naming both reasons', async () => {
  const { producer, simulators } = await start();
  await simulators.pve.setDown(true);
  await simulators.morph.setDown(true);
  const error = await failureOf(producer.start({ preset: PRESET }));
  expect(error.code).toBe('no_provider_available');
  expect(error.message).toMatch(/pve-vm: .*ECONNREFUSED.*morph: .*ECONNREFUSED/);
  expect(error.retryable).toBe(true);
  expect(await producer.get(error.sandboxId ?? '')).toMatchObject({ state: 'failed' });
});

test('allowFallback false fails instead of going elsewhere', async () => {
  const { producer, simulators, instances } = await start();
  await simulators.pve.setDown(true);
  const error = await failureOf(producer.start({ preset: PRESET, allowFallback: false }));
  expect(error.code).toBe('no_provider_available');
  expect(instances()).toEqual([]);
});

test('two starts with one idempotency key are one sandbox, and the key with another body is refused', async () => {
  const { producer, vms } = await start();
  const options = { idempotencyKey: 'task-42' };
  const [one, two] = await Promise.all([
    producer.start({ preset: PRESET, taskRunId: '42' }, options),
    producer.start({ preset: PRESET, taskRunId: '42' }, options),
  ]);
  expect(one.id).toBe(two.id);
  expect(vms()).toHaveLength(1);
  const error = await failureOf(producer.start({ preset: PRESET, taskRunId: '43' }, options));
  expect(error.code).toBe('idempotency_key_reused');
});

test('fifty concurrent starts make fifty sandboxes, and no VMID is used twice', async () => {
  // Nobody dies here, and a create that cannot leave within a third of a second would rightly go elsewhere.
  const { producer, vms } = await start({ recovery: { ...FAST_RECOVERY, lease: DEFAULT_LEASE } });
  const sandboxes = await Promise.all(Array.from({ length: 50 }, () => producer.start({ preset: PRESET })));
  expect(new Set(sandboxes.map(({ id }) => id)).size).toBe(50);
  const onProxmox = sandboxes.filter(({ provider }) => provider === 'pve-vm');
  expect(onProxmox).toHaveLength(50);
  expect(new Set(onProxmox.map(({ vmid }) => vmid)).size).toBe(50);
  expect(vms()).toHaveLength(50);
});

test('bad input is one error that names every field, and makes nothing', async () => {
  const { producer, vms } = await start();
  const bad = { preset: '', workloadType: 'huge', preferredProvider: 'aws', surprise: 1 };
  const error = await failureOf(producer.start(bad as never));
  expect(error.code).toBe('invalid_request');
  for (const field of ['preset', 'workloadType', 'preferredProvider', 'surprise'])
    expect(error.message).toContain(field);
  const unknown = await failureOf(producer.start({ preset: 'no-such-preset' }));
  expect(unknown).toMatchObject({ code: 'unknown_preset' });
  expect(unknown.remediation).toContain(PRESET);
  expect(vms()).toEqual([]);
  expect((await producer.list()).sandboxes).toEqual([]);
});

test('a wait that is over or aborted does not stop the operation', async () => {
  const { producer } = await start();
  const error = await failureOf(producer.start({ preset: PRESET }, { timeoutMs: 1 }));
  expect(error.code).toBe('wait_timed_out');
  const sandboxId = error.sandboxId ?? '';
  await eventually('the start goes on', async () => (await producer.get(sandboxId)).state === 'running');

  const aborted = producer.pause(sandboxId, { signal: AbortSignal.abort(new Error('the caller left')) });
  await expect(aborted).rejects.toThrow('the caller left');
  await eventually('the pause goes on', async () => (await producer.get(sandboxId)).state === 'paused');
});

test('a failed attempt that is retried by hand on the board changes nothing', async () => {
  const { producer, simulators, system, vms, instances } = await start();
  await simulators.pve.setDown(true);
  const sandbox = await producer.start({ preset: PRESET });
  await simulators.pve.setDown(false);
  const [failed] = (await system.queues.byProvider.get('pve-vm')?.getFailed()) ?? [];
  await failed?.retry();
  const job = await eventually('the retried job ends', async () => {
    const again = await system.queues.byProvider.get('pve-vm')?.getJob(failed?.id ?? '');
    return (await again?.isCompleted()) ? again : undefined;
  });
  expect(job.returnvalue).toContain('nothing to do');
  expect(vms()).toEqual([]);
  expect(instances()).toHaveLength(1);
  expect(await producer.get(sandbox.id)).toMatchObject({ state: 'running', provider: 'morph' });
});

const aPause = () => ({
  kind: 'pause' as const,
  options: { requiresRamSnapshot: true },
  route: { candidates: [], leftOut: [] },
  requestedBy: 'a test',
  createdAtMs: Date.now(),
  deadlineAtMs: Date.now() + 60_000,
});

test('the job of a request that was refused behind its back finds no record and ends with nothing done', async () => {
  const { producer, system, vms } = await start();
  const { store, queues } = system;
  const { id } = await producer.start({ preset: PRESET });
  const sandbox = await store.reading.sandbox(id);
  if (sandbox === undefined) throw new Error('it was just started');
  const operation = { ...aPause(), id: 'op-lost', sandboxId: id };
  const outdated = { ...sandbox, version: sandbox.version - 1 };
  const writing = store.submission.enqueue(operation, outdated, [], 'pve-vm', undefined);
  const result = await withFirstJob({ ...system, nowMs: Date.now }, writing, operation, 'pve-vm');
  expect(result).toEqual({ result: 'conflict' });
  const job = await eventually('its job ends', async () => {
    const lost = await queues.byProvider.get('pve-vm')?.getJob(attemptJobId(operation.id, 1));
    return (await lost?.isCompleted()) ? lost : undefined;
  });
  expect(job.returnvalue).toContain('nothing to do');
  expect(await store.reading.operation(operation.id)).toBeUndefined();
  expect(await producer.get(id)).toMatchObject({ state: 'running' });
  expect(vms()).toMatchObject([{ status: 'running' }]);
});

test('a write that comes long after its job, for Redis had forgotten its script, is carried out all the same', async () => {
  const { producer, system } = await start();
  const { store, queues } = system;
  const { id } = await producer.start({ preset: PRESET });
  const sandbox = await store.reading.sandbox(id);
  if (sandbox === undefined) throw new Error('it was just started');
  const operation = { ...aPause(), id: 'op-late', sandboxId: id };
  const jobId = attemptJobId(operation.id, 1);
  async function writeLate() {
    await eventually('its job has looked in vain several times', async () => {
      const job = await queues.byProvider.get('pve-vm')?.getJob(jobId);
      return job !== undefined && job.attemptsStarted >= 3;
    });
    await store.redis.script('FLUSH');
    return store.submission.enqueue(operation, sandbox as Sandbox, [], 'pve-vm', undefined);
  }
  const result = await withFirstJob({ ...system, nowMs: Date.now }, writeLate(), operation, 'pve-vm');
  expect(result).toEqual({ result: 'written' });
  await eventually('it is paused', async () => (await producer.get(id)).state === 'paused');
  const { attempts } = await producer.operation(operation.id);
  expect(attempts).toMatchObject([{ number: 1, outcome: 'succeeded' }]);
});

test('operations of one sandbox run one after another, and a destroy supersedes what has not begun', async () => {
  const { producer, vms } = await start();
  const { id } = await producer.start({ preset: PRESET });
  const outcomes = await Promise.allSettled([
    producer.pause(id),
    producer.resume(id),
    producer.pause(id),
    producer.destroy(id),
  ]);
  expect(outcomes.at(-1)?.status).toBe('fulfilled');
  expect((await producer.get(id)).state).toBe('destroyed');
  expect(vms()).toEqual([]);
  expect((await failureOf(producer.pause(id))).code).toBe('wrong_state');
  expect((await producer.destroy(id)).state).toBe('destroyed');
});
