import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type CmuxInstances,
  type CmuxStatus,
  createCmuxInstances,
  type DirectCalls,
  isUnsupportedCallError,
} from '../../src/producers/adapters/adapters.ts';
import { PRESET, readCounter, startTestSystem, type TestSystem } from '../support/system.ts';

let system: TestSystem;
let instances: CmuxInstances;

beforeAll(async () => {
  system = await startTestSystem();
  instances = createCmuxInstances(system.producer);
});
afterAll(() => system.close());

const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => 'no error',
    (error: { code?: string }) => error.code,
  );

test('a start gives cmux the instance it knows, on the provider that took it', async () => {
  const instance = await instances.start({
    requestId: 'run-1',
    presetId: PRESET,
    provider: 'proxmox-kvm',
    ttlSeconds: 3_600,
    ttlAction: 'pause',
    teamId: 'team-1',
    taskRunId: 'run-1',
    metadata: { app: 'cmux', instance: 'cmux-run-1' },
  });
  expect(instance.id).toMatch(/^pvevm-[0-9a-f]{8}$/);
  expect(instance).toMatchObject({
    provider: 'pve-vm',
    status: 'ready' satisfies CmuxStatus,
    metadata: { app: 'cmux', instance: 'cmux-run-1', teamId: 'team-1', taskRunId: 'run-1' },
  });
  const services = instance.networking.httpServices;
  expect(services.map(({ name, port }) => `${name}:${port}`).sort()).toEqual([
    'cdp:39381',
    'proxy:39379',
    'vnc:39380',
    'vscode:39378',
    'worker:39377',
  ]);
  expect(await readCounter(services.find(({ port }) => port === 39_377)?.url)).toBeGreaterThanOrEqual(0);

  const again = await instances.start({
    requestId: 'run-1',
    presetId: PRESET,
    provider: 'proxmox-kvm',
    ttlSeconds: 3_600,
    ttlAction: 'pause',
    teamId: 'team-1',
    taskRunId: 'run-1',
    metadata: { app: 'cmux', instance: 'cmux-run-1' },
  });
  expect(again.id).toBe(instance.id);
  expect(await system.producer.get(instance.id)).toMatchObject({ onExpiry: 'pause', ttlSeconds: 3_600 });
});

test('pause keeps memory, resume brings it back, stop destroys and may be called twice', async () => {
  const instance = await instances.start({ presetId: PRESET });
  const worker = () => instance.networking.httpServices.find(({ name }) => name === 'worker')?.url;
  const before = await readCounter(worker());
  await instance.pause();
  expect(instance.status).toBe('paused');
  expect((await instances.get({ instanceId: instance.id })).status).toBe('paused');
  await instance.resume();
  expect(instance.status).toBe('ready');
  expect(await readCounter(worker())).toBeGreaterThanOrEqual(before);

  await instance.stop();
  expect(instance.status).toBe('gone');
  await instance.stop();
  expect(system.vms().some(({ name }) => name === instance.id)).toBe(false);
  expect(await instances.tryGet({ instanceId: instance.id })).toBeNull();
  expect(await codeOf(instances.get({ instanceId: instance.id }))).toBe('not_found');
});

test('a Morph snapshot of a team starts on Morph, under Morph’s own id', async () => {
  const { morph } = system.options.presets.find(({ name }) => name === PRESET)?.sources ?? {};
  const instance = await instances.start({ snapshotId: morph?.snapshotId ?? '', isCloudWorkspace: true });
  expect(instance).toMatchObject({ provider: 'morph', status: 'ready' });
  expect(system.instances().map(({ id }) => id)).toContain(instance.id);
  expect((await system.producer.get(instance.id)).protected).toBe(true);
  await instance.stop();
});

test('an id that nobody knows is not found, and that is not mistaken for other trouble', async () => {
  expect(await instances.tryGet({ instanceId: 'morphvm_none' })).toBeNull();
  const broken = createCmuxInstances({
    ...system.producer,
    get: () => Promise.reject(new Error('Redis says not found')),
  });
  await expect(broken.tryGet({ instanceId: 'x' })).rejects.toThrow('Redis says not found');
});

describe('what the service does not do', () => {
  test.each<[keyof DirectCalls, (instance: Awaited<ReturnType<CmuxInstances['start']>>) => Promise<unknown>]>(
    [
      ['exec', (instance) => instance.exec('echo ready')],
      ['exposeHttpService', (instance) => instance.exposeHttpService('preview', 5_173)],
      ['hideHttpService', (instance) => instance.hideHttpService('vscode')],
      ['setWakeOn', (instance) => instance.setWakeOn(true, true)],
    ],
  )('%s throws what it is and what to do, never nothing', async (call, run) => {
    const [sandbox] = (await system.producer.list()).sandboxes;
    const instance = await instances.get({ instanceId: sandbox?.id ?? '' });
    const error = await run(instance).catch((reason: unknown) => reason);
    if (!isUnsupportedCallError(error)) throw new Error(`expected an UnsupportedCallError, got ${error}`);
    expect(error).toMatchObject({ code: 'unsupported_call', call });
    expect(error.remediation).toContain(`direct.${call}`);
  });

  test('what is so already is fine', async () => {
    const [sandbox] = (await system.producer.list()).sandboxes;
    const instance = await instances.get({ instanceId: sandbox?.id ?? '' });
    await instance.exposeHttpService('vscode', 39_378);
    await instance.setWakeOn(false, false);
  });

  test('goes the direct way where one is given, with the sandbox as it is', async () => {
    const asked: unknown[] = [];
    const direct = createCmuxInstances(system.producer, {
      direct: {
        exec: (sandbox, command, options) => {
          asked.push([sandbox.state, command, options]);
          return Promise.resolve({ exit_code: 0, stdout: 'ready\n', stderr: '' });
        },
        setWakeOn: (_sandbox, http, ssh) => Promise.resolve(void asked.push([http, ssh])),
      },
    });
    const [sandbox] = (await system.producer.list()).sandboxes;
    const instance = await direct.get({ instanceId: sandbox?.id ?? '' });
    expect(await instance.exec('echo ready', { timeoutMs: 10_000 })).toMatchObject({ exit_code: 0 });
    await instance.setWakeOn(true, false);
    expect(asked).toEqual([
      ['running', 'echo ready', { timeoutMs: 10_000 }],
      [true, false],
    ]);
  });
});

test('without the flag, what belongs to no task run is a cloud workspace and protected', async () => {
  const asked: unknown[] = [];
  const client = {
    ...system.producer,
    async start(input: unknown): Promise<never> {
      asked.push(input);
      throw new Error('only what was asked is looked at');
    },
  };
  const recording = createCmuxInstances(client);
  const inputs = [
    {},
    { taskRunId: 'run-1' },
    { isCloudWorkspace: false },
    { taskRunId: 'run-1', isCloudWorkspace: true },
  ];
  for (const input of inputs) await recording.start(input).catch(() => undefined);
  expect(asked).toMatchObject([true, false, false, true].map((value) => ({ protected: value })));
});
