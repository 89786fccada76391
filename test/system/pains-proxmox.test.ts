/** Troubles of cmux's history with Proxmox that must not come back. */
import { afterEach, expect, test } from 'vitest';
import type { SandboxView } from '../../src/core/views.ts';
import { DEFAULT_SERVICE_PORTS } from '../../src/providers/service-ports.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, readCounter, startTestSystem, type TestSystem } from '../support/system.ts';

let running: TestSystem | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

async function start(options?: Parameters<typeof startTestSystem>[0]): Promise<TestSystem> {
  running = await startTestSystem(options);
  return running;
}

/** Clones outlast the wait for a lock, as on a real node: who does not take turns is refused. */
const SHORT = {
  pve: {
    cloneMs: 60,
    startMs: 40,
    suspendMs: 40,
    resumeMs: 30,
    ctCloneMs: 150,
    ctStartMs: 20,
    shutdownMs: 20,
    stopMs: 10,
    destroyMs: 10,
    servicesMs: 20,
    forkMs: 5,
    cloneFlockWaitMs: 100,
  },
};

const TEMPLATES = [9200, 9201, 9202].map((vmid) => ({
  kind: 'lxc' as const,
  vmid,
  name: `pains-template-${vmid}`,
  cores: 2,
  memoryMib: 2048,
  diskGib: 8,
}));

test.each([
  ['one template', 1],
  ['three templates', 3],
])(
  'pain 2, lock contention on concurrent clones: ten containers from %s all run, and no clone is refused',
  async (_, count) => {
    const test = await start({ templates: TEMPLATES, latency: SHORT });
    const used = TEMPLATES.slice(0, count);
    const templates = used.map(({ vmid, name }) => ({ vmid, expectedName: name }));
    const input = { sources: { 'pve-lxc': { templates } }, preferredProvider: 'pve-lxc' };
    const sandboxes = await Promise.all(Array.from({ length: 10 }, () => test.producer.start(input)));
    expect(sandboxes.map(({ state, provider }) => `${state} on ${provider}`)).toEqual(
      Array.from({ length: 10 }, () => 'running on pve-lxc'),
    );
    for (const { cause } of sandboxes) {
      const { attempts } = await test.producer.operation(cause);
      expect(attempts).toMatchObject([{ outcome: 'succeeded' }]);
      expect(attempts[0]).not.toHaveProperty('failure');
    }
    expect(test.simulators.pve.inventory().calls['POST /nodes/{node}/lxc/{vmid}/clone']).toBe(10);
    expect(await sourcesOf(test, sandboxes)).toEqual(used.map(({ vmid }) => String(vmid)));
  },
);

async function sourcesOf({ system }: TestSystem, sandboxes: readonly SandboxView[]) {
  const guests = await Promise.all(
    sandboxes.map(({ guestId }) => system.store.reading.guest(guestId as string)),
  );
  return [...new Set(guests.map((guest) => guest?.intent.source))].sort();
}

test.each([
  ['backup', 'pve-vm', 'qm'],
  ['snapshot-delete', 'pve-vm', 'qm'],
  ['backup', 'pve-lxc', 'pct'],
])(
  'pain 14, a guest locked by %s on %s: its destroy goes on, names the command, and ends once it is unlocked',
  async (word, preferredProvider, command) => {
    const { producer, simulators, vms } = await start({ latency: SHORT });
    const { id, vmid = 0 } = await producer.start({ preset: PRESET, preferredProvider });
    simulators.pve.operator.lock(vmid, word);
    const options = { idempotencyKey: 'destroy-locked' };
    const pending = await producer.destroy(id, { ...options, timeoutMs: 1_500 }).catch((error) => error);
    expect(pending).toMatchObject({ code: 'wait_timed_out', sandboxId: id });
    expect((await producer.get(id)).state).toBe('destroying');
    expect(vms()).toHaveLength(1);
    const { attempts } = await producer.operation(pending.operationId);
    expect(attempts[0]?.failure).toMatchObject({
      message: expect.stringContaining(`locked (${word})`),
      remediation: expect.stringContaining(`${command} unlock ${vmid}   # as root on pve1`),
    });

    simulators.pve.operator.unlock(vmid);
    expect((await producer.destroy(id, options)).state).toBe('destroyed');
    expect(vms()).toEqual([]);
  },
);

test('pain 14, a guest under the lock of a task that died: stuck, not gone, until somebody unlocks it', async () => {
  const { producer, simulators, vms } = await start();
  const { id, vmid = 0 } = await producer.start({ preset: PRESET });
  simulators.pve.operator.lock(vmid, 'suspending');
  await expect(producer.destroy(id)).rejects.toMatchObject({ code: 'sandbox_stuck' });
  expect(await producer.get(id)).toMatchObject({
    state: 'stuck',
    remediation: `qm unlock ${vmid}   # as root on pve1`,
  });
  expect((await producer.list()).sandboxes).toMatchObject([{ id }]);
  expect(vms()).toHaveLength(1);

  simulators.pve.operator.unlock(vmid);
  expect((await producer.destroy(id)).state).toBe('destroyed');
  expect(vms()).toEqual([]);
});

test('pain 23, token and hook on clones: each guest has a token of its own, never its template’s, and the hook', async () => {
  const { producer, simulators } = await start({ execToken: true, latency: SHORT });
  const templateToken = 'a'.repeat(64);
  simulators.pve.operator.configure(9100, {
    env: `PATH=/usr/bin\0CMUX_EXECD_AUTH_TOKEN=${templateToken}`,
    hookscript: 'local:snippets/execd.sh',
  });
  const begin = () => producer.start({ preset: PRESET, preferredProvider: 'pve-lxc' });
  const [one, two] = await Promise.all([begin(), begin()]);
  const configs = await Promise.all([one, two].map(({ vmid = 0 }) => readConfig(simulators, vmid)));
  const tokens = configs.map(({ env = '' }) => /CMUX_EXECD_AUTH_TOKEN=([0-9a-f]{64})/.exec(env)?.[1]);
  expect(new Set([templateToken, ...tokens]).size).toBe(3);
  expect(tokens).not.toContain(undefined);
  expect(configs.map(({ hookscript }) => hookscript)).toEqual(Array(2).fill('local:snippets/execd.sh'));
  expect(configs.every(({ env }) => env?.includes('PATH=/usr/bin'))).toBe(true);

  await producer.pause(one.id, { requiresRamSnapshot: false });
  await producer.resume(one.id);
  expect((await readConfig(simulators, one.vmid ?? 0)).env).toBe(configs[0]?.env);
  const seen = JSON.stringify([await producer.why(one.id), await producer.operations()]);
  for (const token of tokens) expect(seen).not.toContain(token);
});

async function readConfig({ pve }: TestSystem['simulators'], vmid: number) {
  const reply = await fetch(`${pve.url}/api2/json/nodes/pve1/lxc/${vmid}/config`, {
    headers: { authorization: `PVEAPIToken=${pve.token}` },
  });
  return ((await reply.json()) as { data: { env?: string; hookscript?: string } }).data;
}

test.each([['pve-vm'], ['pve-lxc'], ['morph']])(
  'pain 24, port and URL drift on %s: every name leads to that service of that guest, after a resume too',
  async (preferredProvider) => {
    const { producer } = await start({ latency: SHORT });
    const started = await producer.start({ preset: PRESET, preferredProvider });
    expect(started.provider).toBe(preferredProvider);
    await expectEndpointsOf(started);
    await producer.pause(started.id, { requiresRamSnapshot: preferredProvider !== 'pve-lxc' });
    const resumed = await producer.resume(started.id);
    await expectEndpointsOf(resumed);
    expect(await producer.get(started.id)).toMatchObject({ endpoints: resumed.endpoints });
  },
);

test('pain 24, port and URL drift: after a fallback every name leads to the guest that took over', async () => {
  const { producer, simulators } = await start();
  simulators.pve.faults.add({
    action: { kind: 'fail-task', taskType: 'qmstart', exitstatus: 'start failed: QEMU exited with code 1' },
  });
  const sandbox = await producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ provider: 'morph', fellBackFrom: ['pve-vm'] });
  await expectEndpointsOf(sandbox);
});

/** The simulated guests answer with their own name and the port that was asked. */
async function expectEndpointsOf({ endpoints, provider, guestId, providerId }: SandboxView): Promise<void> {
  const guest = provider === 'morph' ? providerId : guestId;
  const answers = await Promise.all(
    Object.entries(endpoints).map(async ([name, url]) => {
      const { guest, port } = (await (await fetch(url)).json()) as { guest: string; port: number };
      return { name, port, guest };
    }),
  );
  const byPort = (a: { port: number }, b: { port: number }) => a.port - b.port;
  expect(answers.toSorted(byPort)).toEqual(
    DEFAULT_SERVICE_PORTS.map(({ name, port }) => ({ name, port, guest })).toSorted(byPort),
  );
}

/** By somebody else's VM, by one that goes by our guest's own name, and by a container. */
const TAKERS = [
  ['another VM', 'qemu', () => 'somebody-elses'],
  ['a VM of the same name', 'qemu', (guestId: string) => guestId],
  ['a container', 'lxc', () => 'somebody-elses'],
] as const;

test.each(TAKERS)(
  'pain 27, a VMID that %s took over: it is neither stopped nor changed nor destroyed, whatever is asked',
  async (_, kind, nameFor) => {
    const { producer, simulators, vms } = await start();
    const { id, vmid = 0, guestId = '' } = await producer.start({ preset: PRESET });
    simulators.pve.operator.remove(vmid);
    simulators.pve.operator.add({ vmid, name: nameFor(guestId), kind, description: 'mine', running: true });
    const [before] = vms();
    const callsBefore = changesOf(simulators);
    for (const change of ['pause', 'resume', 'destroy'] as const) {
      await producer[change](id, { timeoutMs: 3_000 }).catch(() => undefined);
    }
    expect(vms()).toMatchObject([{ ...before, counter: expect.any(Number) }]);
    expect(changesOf(simulators)).toEqual(callsBefore);
    expect((await producer.get(id)).state).not.toBe('paused');

    // And it does not hold up what is started next.
    const next = await producer.start({ preset: PRESET });
    expect(next).toMatchObject({ state: 'running', provider: 'pve-vm' });
    expect(next.vmid).not.toBe(vmid);
  },
);

/** Requests that change a guest; how often it was read is of no interest. */
function changesOf({ pve }: TestSystem['simulators']) {
  const { calls } = pve.inventory();
  return Object.fromEntries(Object.entries(calls).filter(([name]) => !name.startsWith('GET ')));
}

test('pain 28, lost pauses: a container is not paused unless the caller gives its memory up', async () => {
  const { producer, vms } = await start({ latency: SHORT });
  const sandbox = await producer.start({ preset: PRESET, preferredProvider: 'pve-lxc' });
  const counted = await eventually('it has counted', () => readCounter(sandbox.endpoints.worker));
  for (const options of [{}, { requiresRamSnapshot: true }]) {
    await expect(producer.pause(sandbox.id, options)).rejects.toMatchObject({
      code: 'ram_snapshot_unsupported',
    });
  }
  expect(await producer.get(sandbox.id)).toMatchObject({ state: 'running' });
  expect(vms()).toMatchObject([{ status: 'running', bootCount: 1 }]);
  expect(await readCounter(sandbox.endpoints.worker)).toBeGreaterThanOrEqual(counted);

  const paused = await producer.pause(sandbox.id, { requiresRamSnapshot: false });
  expect(paused).toMatchObject({ state: 'paused', preservesRam: false });
  expect(await producer.resume(sandbox.id)).toMatchObject({ state: 'running', memoryKept: false });
});

test('pain 28, lost pauses: who asks for memory to be kept is never given a container', async () => {
  const { producer } = await start();
  const wish = { preset: PRESET, requiresRamSnapshot: true };
  const sandbox = await producer.start({ ...wish, workloadType: 'dev' });
  expect(sandbox.provider).not.toBe('pve-lxc');
  await expect(producer.start({ ...wish, preferredProvider: 'pve-lxc' })).rejects.toMatchObject({
    code: 'illegal_combination',
  });
});
