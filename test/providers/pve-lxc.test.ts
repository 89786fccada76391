/** What is special to containers on Proxmox VE. */
import { afterEach, describe, expect, it } from 'vitest';
import { CMUX_EXEC_TOKEN } from '../../src/providers/pve/pve-first-boot.ts';
import {
  CT_TEMPLATE,
  failureOf,
  type PveRigOptions,
  specFor,
  startGuest,
  startPveLxcRig,
  testCall,
} from './rig.ts';

type LxcRig = Awaited<ReturnType<typeof startPveLxcRig>>;
const rigs: LxcRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

async function startRig(options: PveRigOptions = {}): Promise<LxcRig> {
  const rig = await startPveLxcRig(options);
  rigs.push(rig);
  return rig;
}

const guestOf = (rig: LxcRig, vmid: string) =>
  rig.pve.inventory().guests.find((guest) => String(guest.vmid) === vmid)!;

describe('pausing and resuming', () => {
  it('shuts down and boots, keeps the disk and says that memory is not kept', async () => {
    const { provider, pve } = await startRig();
    const { ref } = await startGuest(provider);
    const call = testCall();
    expect(await provider.pause(ref, call)).toEqual({ preservesRam: false });
    expect(await provider.resume(ref, { allowColdBoot: false }, call)).toMatchObject({ memoryKept: false });
    expect(call.steps).toEqual(['shutdown', 'boot']);
    expect(pve.inventory().guests.find(({ template }) => !template)).toMatchObject({ bootCount: 2 });
    expect(Object.keys(pve.inventory().calls)).not.toContain('POST /nodes/{node}/lxc/{vmid}/status/suspend');
  });

  it('takes `not running` of a container that shut itself down for a pause', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const call = testCall();
    const step: typeof call.step = (name, send) => {
      rig.pve.operator.kill(Number(ref.nativeId));
      return call.step(name, send);
    };
    expect(await rig.provider.pause(ref, { ...call, step })).toEqual({ preservesRam: false });
  });

  it('takes `already running` of a container that somebody booted for a resume', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    await rig.provider.pause(ref, testCall());
    const call = testCall();
    const step: typeof call.step = async (name, send) => {
      await rig.provider.resume(ref, { allowColdBoot: true }, testCall());
      return call.step(name, send);
    };
    await rig.provider.resume(ref, { allowColdBoot: true }, { ...call, step });
    expect(guestOf(rig, ref.nativeId)).toMatchObject({ status: 'running', bootCount: 2 });
  });

  it('is contention while a backup holds it', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    rig.pve.operator.lock(Number(ref.nativeId), 'backup');
    const failure = await failureOf(rig.provider.pause(ref, testCall()));
    expect(failure).toMatchObject({ kind: 'contention', effect: 'none' });
    expect(guestOf(rig, ref.nativeId).status).toBe('running');
  });

  it('says that the container did not boot, and why', async () => {
    const rig = await startRig();
    rig.faults.add({
      action: { kind: 'fail-task', taskType: 'vzstart', exitstatus: "startup for container '20000' failed" },
    });
    const failure = await failureOf(startGuest(rig.provider));
    expect(failure).toMatchObject({ kind: 'guest_failed', effect: 'applied' });
  });
});

describe('addresses', () => {
  it('are those of its interfaces when there is no URL template', async () => {
    const { provider } = await startRig({ byAddress: true });
    const { facts } = await startGuest(provider);
    expect(facts.endpoints[0]?.url).toMatch(/^http:\/\/\d+\.\d+\.\d+\.\d+:39378$/);
  });
});

describe('configuration before the first boot', () => {
  it('gives it the size of its preset, in one request', async () => {
    const rig = await startRig();
    const call = testCall();
    const spec = specFor(rig.provider, { size: { vcpus: 6, memoryMib: 4096 } });
    const intent = await rig.provider.prepare(spec, call);
    expect(intent).toMatchObject({ size: { vcpus: 6, memoryMib: 4096 }, memoryMib: 4096 });
    await rig.provider.bringUp(intent, await rig.provider.create(intent, call), call);
    expect(call.steps).toEqual(['create', 'configure', 'boot']);
    expect(await configOf(rig, String(intent.vmid))).toMatchObject({ cores: 6, memory: 4096 });
    expect(guestOf(rig, String(intent.vmid)).tags).toContain('cmux-lifecycle');
  });

  it('writes a token of its own into the environment of each, from 9.1 on', async () => {
    const rig = await startRig({ driver: { firstBoot: CMUX_EXEC_TOKEN } });
    const [first, second] = [await startGuest(rig.provider), await startGuest(rig.provider)];
    const token = first.facts.secrets?.execToken;
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect(second.facts.secrets?.execToken).not.toBe(token);
    const { env, description } = await configOf(rig, first.ref.nativeId);
    expect(String(env).split('\0')).toContain(`CMUX_EXECD_AUTH_TOKEN=${token}`);
    expect(description).not.toContain(token);
  });

  it('tells the same token again to an attempt that takes over, and after a resume', async () => {
    const rig = await startRig({ driver: { firstBoot: CMUX_EXEC_TOKEN } });
    const { intent, ref, facts } = await startGuest(rig.provider);
    const call = testCall();
    expect((await rig.provider.bringUp(intent, { ref }, call)).secrets).toEqual(facts.secrets);
    expect(call.steps).toEqual([]);
    await rig.provider.pause(ref, call);
    const resumed = await rig.provider.resume(ref, { allowColdBoot: true }, call);
    expect(resumed.facts.secrets).toEqual(facts.secrets);
  });

  it('never takes over the token that a template was left with', async () => {
    const rig = await startRig({ driver: { firstBoot: CMUX_EXEC_TOKEN } });
    const stale = 'ab'.repeat(32);
    rig.pve.operator.configure(CT_TEMPLATE.vmid, {
      env: `LANG=C.UTF-8\0CMUX_EXECD_AUTH_TOKEN=${stale}\0CMUX_LIFECYCLE_GUEST=pvelxc-00000000`,
      tags: 'cmux-lifecycle;cmux-lifecycle-test',
    });
    const { ref, facts } = await startGuest(rig.provider);
    expect(facts.secrets?.execToken).not.toBe(stale);
    const { env } = await configOf(rig, ref.nativeId);
    expect(env).toContain('LANG=C.UTF-8');
    expect(env).not.toContain(stale);
  });

  describe('before 9.1', () => {
    const on8 = (hookscript?: string): PveRigOptions => ({
      driver: { firstBoot: CMUX_EXEC_TOKEN },
      pve: {
        version: '8.4.5',
        templates: [{ ...CT_TEMPLATE, ...(hookscript === undefined ? {} : { hookscript }) }],
      },
    });

    it('writes the token into a line of the description, for the inherited hookscript', async () => {
      const rig = await startRig(on8('local:snippets/cmux-lxc-execd-token-hook.sh'));
      const { intent, ref, facts } = await startGuest(rig.provider);
      const { description, hookscript } = await configOf(rig, ref.nativeId);
      expect(hookscript).toBe('local:snippets/cmux-lxc-execd-token-hook.sh');
      expect(description).toContain(`\ncmux-execd-auth-token=${facts.secrets?.execToken}\n`);
      expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ marker: { guest: ref.guestId } });
      expect((await rig.provider.bringUp(intent, { ref }, testCall())).secrets).toEqual(facts.secrets);
    });

    it('refuses a template without hookscript before anything is made, with the command', async () => {
      const rig = await startRig(on8());
      const failure = await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()));
      expect(failure).toMatchObject({ kind: 'source_missing', effect: 'none' });
      expect(failure.remediation).toContain('pct set 9100 --hookscript');
    });
  });

  it('shows the token in no failure', async () => {
    const rig = await startRig({ driver: { firstBoot: CMUX_EXEC_TOKEN } });
    rig.faults.add({
      method: 'PUT',
      path: '/config$',
      action: { kind: 'error', status: 500, message: 'unable to write' },
    });
    const failure = await failureOf(startGuest(rig.provider));
    expect(failure).toMatchObject({ effect: 'applied' });
    expect(JSON.stringify(failure)).not.toMatch(/[0-9a-f]{64}/);
  });
});

it('destroys a container, with its disks and its traces', async () => {
  const rig = await startRig();
  const { ref } = await startGuest(rig.provider);
  const call = testCall();
  await rig.provider.destroy(ref, call);
  expect(call.steps).toEqual(['stop', 'destroy']);
  expect(rig.nativeIds()).toEqual([]);
});

async function configOf(rig: LxcRig, vmid: string): Promise<Record<string, unknown>> {
  const reply = await fetch(`${rig.pve.url}/api2/json/nodes/pve1/lxc/${vmid}/config`, {
    headers: { authorization: `PVEAPIToken=${rig.pve.token}` },
  });
  return ((await reply.json()) as { data: Record<string, unknown> }).data;
}
