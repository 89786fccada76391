/** What is special to full VMs on Proxmox VE. */
import { afterEach, describe, expect, it } from 'vitest';
import { formatMarkerLine } from '../../src/core/marker.ts';
import { VmidRangeExhausted } from '../../src/core/ports.ts';
import { waitUntilUsable } from '../../src/providers/readiness.ts';
import {
  createTestPool,
  failureOf,
  type PveRigOptions,
  readCounter,
  specFor,
  startGuest,
  startPveVmRig,
  TEMPLATE,
  TOKEN,
  testCall,
} from './rig.ts';

type PveRig = Awaited<ReturnType<typeof startPveVmRig>>;
const rigs: PveRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

async function startRig(options: PveRigOptions = {}): Promise<PveRig> {
  const rig = await startPveVmRig(options);
  rigs.push(rig);
  return rig;
}

/** What a person does in Proxmox's own interface; waits until a task that it starts is done. */
async function byHand(rig: PveRig, method: string, path: string, params: Record<string, string> = {}) {
  const send = (verb: string, below: string, body?: URLSearchParams) =>
    fetch(`${rig.pve.url}/api2/json/nodes/pve1${below}`, {
      method: verb,
      headers: { authorization: `PVEAPIToken=${TOKEN}` },
      ...(body === undefined ? {} : { body }),
    });
  const reply = await send(method, path, new URLSearchParams(params));
  expect(reply.status).toBe(200);
  const { data } = (await reply.json()) as { data: unknown };
  if (typeof data !== 'string') return;
  for (;;) {
    const status = await send('GET', `/tasks/${encodeURIComponent(data)}/status`);
    if (((await status.json()) as { data: { status: string } }).data.status === 'stopped') return;
  }
}

const guestOf = (rig: PveRig, vmid: string) =>
  rig.pve.inventory().guests.find((guest) => String(guest.vmid) === vmid)!;

describe('choosing a template and a VMID', () => {
  const templates = (...sources: readonly { vmid: number; expectedName: string }[]) => ({
    sources: { 'pve-vm': { templates: sources } },
  });

  it.each([
    ['of another name', templates({ vmid: 9000, expectedName: 'tpl-other' }), 'is called tpl-small'],
    ['that is not there', templates({ vmid: 9009, expectedName: 'x' }), 'is on none of the nodes'],
  ])('refuses a template %s', async (_, changes, text) => {
    const { provider } = await startRig();
    const failure = await failureOf(provider.prepare(specFor(provider, changes), testCall()));
    expect(failure).toMatchObject({ kind: 'source_missing', effect: 'none' });
    expect(failure.message).toContain(text);
    expect(failure.remediation).toContain('expectedName');
  });

  it('refuses a guest that is no template', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const source = templates({ vmid: Number(ref.nativeId), expectedName: ref.guestId });
    const failure = await failureOf(rig.provider.prepare(specFor(rig.provider, source), testCall()));
    expect(failure.message).toContain('is no template');
  });

  it('goes on to the next template when one is not what it should be', async () => {
    const { provider } = await startRig();
    const sources = templates({ vmid: 9009, expectedName: 'x' }, { vmid: 9000, expectedName: 'tpl-small' });
    expect((await provider.prepare(specFor(provider, sources), testCall())).source).toBe('9000');
  });

  it('spreads guests over identical templates, each guest always on the same', async () => {
    const twin = { ...TEMPLATE, vmid: 9001 };
    const { provider } = await startRig({ pve: { templates: [TEMPLATE, twin] } });
    const both = [TEMPLATE, twin].map(({ vmid, name }) => ({ vmid, expectedName: name }));
    const sourceOf = async (guestId: string) =>
      (await provider.prepare(specFor(provider, { guestId, ...templates(...both) }), testCall())).source;
    expect(await sourceOf('pvevm-00000000')).toBe('9000');
    expect(await sourceOf('pvevm-00000001')).toBe('9001');
    expect(await sourceOf('pvevm-00000001')).toBe('9001');
  });

  it('goes to the configured node that has the template', async () => {
    const { provider } = await startRig({
      pve: { nodes: ['pve1', 'pve2'], templates: [{ ...TEMPLATE, node: 'pve2' }] },
    });
    const { ref } = await startGuest(provider);
    expect(ref.node).toBe('pve2');
  });

  it('hands back a VMID that somebody else holds and takes another', async () => {
    const vmids = createTestPool(9000);
    const { provider } = await startRig({ vmids });
    const intent = await provider.prepare(specFor(provider), testCall());
    expect(intent).toMatchObject({ vmid: 9001, node: 'pve1', marker: { vmid: 9001 } });
    expect(vmids.rejected).toEqual([9000]);
  });

  it('keeps the VMID of a guest that was created already', async () => {
    const { provider } = await startRig();
    const spec = specFor(provider);
    const { intent } = await startGuest(provider, spec);
    expect((await provider.prepare(spec, testCall())).vmid).toBe(intent.vmid);
  });

  it('is over capacity when the range is used up', async () => {
    const vmids = {
      reserve: async () => {
        throw new VmidRangeExhausted('all 10000 VMIDs are held');
      },
      reject: async () => {},
      giveBack: async () => {},
    };
    const { provider } = await startRig({ vmids });
    const failure = await failureOf(provider.prepare(specFor(provider), testCall()));
    expect(failure).toMatchObject({ kind: 'over_capacity', effect: 'none' });
  });
});

describe('a VMID that somebody else got first', () => {
  it('is refused with nothing created, handed back, and its guest left alone', async () => {
    const vmids = createTestPool();
    const rig = await startRig({ vmids });
    const { provider } = rig;
    const intent = await provider.prepare(specFor(provider), testCall());
    const other = { ...specFor(provider), guestId: 'pvevm-0ther000' };
    await byHand(rig, 'POST', '/qemu/9000/clone', {
      newid: String(intent.vmid),
      name: other.guestId,
      full: '0',
    });

    expect(await provider.look(intent, testCall())).toMatchObject({ kind: 'foreign' });
    const failure = await failureOf(createAndBringUp(rig, intent));
    expect(failure).toMatchObject({ kind: 'foreign_guest', effect: 'none' });
    expect(vmids.rejected).toEqual([intent.vmid]);

    const ref = {
      provider: 'pve-vm',
      guestId: intent.guestId,
      nativeId: String(intent.vmid),
      node: 'pve1',
    } as const;
    expect(await failureOf(provider.destroy(ref, testCall()))).toMatchObject({ kind: 'foreign_guest' });
    expect(await provider.inspect(ref, testCall())).toMatchObject({ condition: 'unknown' });
    expect(guestOf(rig, ref.nativeId).name).toBe(other.guestId);
  });

  it('is foreign even to a guest of our own deployment', async () => {
    const rig = await startRig();
    const { intent } = await startGuest(rig.provider);
    const twin = { ...intent, guestId: 'pvevm-ffffffff' };
    expect(await rig.provider.look(twin, testCall())).toMatchObject({ kind: 'foreign' });
  });

  it('recognises its own guest when the clone is refused because it exists', async () => {
    const rig = await startRig();
    const { intent, ref } = await startGuest(rig.provider);
    expect(await createAndBringUp(rig, intent)).toMatchObject({ ref });
    expect(rig.nativeIds()).toHaveLength(1);
  });

  async function createAndBringUp(rig: PveRig, intent: Parameters<PveRig['provider']['create']>[0]) {
    const created = await rig.provider.create(intent, testCall());
    return await rig.provider.bringUp(intent, created, testCall());
  }
});

describe('bringing up', () => {
  it('sets what a clone inherits: tags, protection, start at boot, description', async () => {
    const stranger = formatMarkerLine({
      ...specFor((await startRig()).provider).marker,
      guest: 'pvevm-00000000',
    });
    const rig = await startRig({
      pve: {
        templates: [
          { ...TEMPLATE, tags: 'template', protection: true, onboot: true, description: `note\n${stranger}` },
        ],
      },
    });
    const { ref } = await startGuest(rig.provider);
    const guest = guestOf(rig, ref.nativeId);
    expect(guest.tags).toEqual(['cmux-lifecycle', 'cmux-lifecycle-test']);
    expect(guest.protection).toBe(false);
    expect(guest.description).toContain(ref.guestId);
    expect(guest.description).not.toContain('pvevm-00000000');
    await rig.provider.destroy(ref, testCall());
  });

  it('takes its steps in order, each under the fence', async () => {
    const { provider } = await startRig();
    const call = testCall();
    const intent = await provider.prepare(specFor(provider), call);
    const { ref } = await provider.bringUp(intent, await provider.create(intent, call), call);
    await provider.pause(ref, call);
    await provider.resume(ref, { allowColdBoot: false }, call);
    await provider.destroy(ref, call);
    expect(call.steps).toEqual(['create', 'configure', 'boot', 'suspend', 'resume', 'stop', 'destroy']);
  });

  it('says pending while the clone is not signed yet', async () => {
    const { provider } = await startRig({ pve: { latency: { cloneMs: 300, forkMs: 50 } } });
    const intent = await provider.prepare(specFor(provider), testCall());
    const { task } = await provider.create(intent, testCall());
    const sighting = await provider.look(intent, testCall());
    expect(sighting.kind).toBe('pending');
    // The task is known once its log names the VMID.
    expect([undefined, task]).toContain((sighting as { task?: string }).task);
  });

  it('leaves nothing behind when the clone fails, and proves it', async () => {
    const rig = await startRig();
    const exitstatus =
      "clone failed: can't lock file '/var/lock/pve-manager/pve-storage-local-lvm' - got timeout";
    rig.faults.add({ times: 1, action: { kind: 'fail-task', taskType: 'qmclone', exitstatus } });
    const call = testCall();
    const intent = await rig.provider.prepare(specFor(rig.provider), call);
    const created = await rig.provider.create(intent, call);
    const failure = await failureOf(rig.provider.bringUp(intent, created, call));
    expect(failure).toMatchObject({ kind: 'contention', effect: 'none' });
    expect(rig.nativeIds()).toEqual([]);
  });

  it('calls a clone whose worker was killed stuck, with the command that frees it', async () => {
    const rig = await startRig();
    rig.faults.add({ times: 1, action: { kind: 'kill-task', taskType: 'qmclone' } });
    const call = testCall();
    const intent = await rig.provider.prepare(specFor(rig.provider), call);
    const created = await rig.provider.create(intent, call);
    const failure = await failureOf(rig.provider.bringUp(intent, created, call));
    expect(failure).toMatchObject({ kind: 'stuck', effect: 'applied' });
    expect(failure.remediation).toContain(`qm unlock ${intent.vmid} && qm destroy ${intent.vmid} --purge`);
    const observed = await rig.provider.inspect(created.ref, call);
    expect(observed).toMatchObject({ condition: 'stuck', remediation: failure.remediation });
    expect(await failureOf(rig.provider.destroy(created.ref, call))).toMatchObject({ kind: 'stuck' });
  });

  it('goes on with a guest that is complete although its clone task died at the end', async () => {
    const rig = await startRig();
    const call = testCall();
    const intent = await rig.provider.prepare(specFor(rig.provider), call);
    const created = await rig.provider.create(intent, call);
    await rig.provider.bringUp(intent, created, call);
    // The task list has forgotten the task meanwhile.
    const task = created.task!.replace(/[0-9A-F]{8}:qmclone/, '00000000:qmclone');
    await rig.provider.bringUp(intent, { ref: created.ref, task }, call);
    expect(rig.nativeIds()).toHaveLength(1);
  });

  it('says applied, and why, when the guest does not boot', async () => {
    const rig = await startRig();
    const exitstatus = 'start failed: QEMU exited with code 1';
    rig.faults.add({ action: { kind: 'fail-task', taskType: 'qmstart', exitstatus } });
    const failure = await failureOf(startGuest(rig.provider));
    expect(failure).toMatchObject({ kind: 'guest_failed', effect: 'applied' });
    expect(failure.message).toContain('QEMU exited');
  });

  it.each([
    ['the proxy gave up', { status: 596 }],
    [
      'the task list was locked after the fork',
      { status: 500, message: "can't lock file '/var/log/pve/tasks/.active.lock' - got timeout" },
    ],
  ])('adopts the start task whose reply was lost because %s', async (_, lost) => {
    const rig = await startRig({ pve: { latency: { startMs: 100 } } });
    rig.faults.add({
      method: 'POST',
      path: '/status/start$',
      times: 1,
      action: { kind: 'lose-reply', ...lost },
    });
    const { ref } = await startGuest(rig.provider);
    expect(guestOf(rig, ref.nativeId)).toMatchObject({ status: 'running', bootCount: 1 });
    expect(rig.calls()['POST /nodes/{node}/qemu/{vmid}/status/start']).toBe(1);
  });

  it('waits through reads that fail meanwhile', async () => {
    const rig = await startRig();
    const call = testCall();
    const intent = await rig.provider.prepare(specFor(rig.provider), call);
    const created = await rig.provider.create(intent, call);
    rig.faults.add({
      method: 'GET',
      path: '/tasks/',
      times: 2,
      action: { kind: 'error', status: 596, message: '' },
    });
    await rig.provider.bringUp(intent, created, call);
  });

  it('takes the address from the agent when there is no URL template', async () => {
    const { provider } = await startRig({ byAddress: true });
    const { facts } = await startGuest(provider);
    expect(facts.endpoints[0]?.url).toMatch(/^http:\/\/\d+\.\d+\.\d+\.\d+:39378$/);
  });
});

describe('pausing and resuming', () => {
  it('keeps the memory: what counts in it goes on counting', async () => {
    const { provider } = await startRig();
    const { ref, facts } = await startGuest(provider);
    const { signal } = testCall();
    await waitUntilUsable(facts.endpoints, { signal, timeoutMs: 5_000 });
    let before = 0;
    while (before < 2) before = await readCounter(facts);
    await provider.pause(ref, testCall());
    const { memoryKept } = await provider.resume(ref, { allowColdBoot: false }, testCall());
    expect(memoryKept).toBe(true);
    await waitUntilUsable(facts.endpoints, { signal, timeoutMs: 5_000 });
    expect(await readCounter(facts)).toBeGreaterThanOrEqual(before);
  });

  it('finds a guest that was switched off, promises no memory, and boots it only if allowed', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    await byHand(rig, 'POST', `/qemu/${ref.nativeId}/status/stop`);
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'stopped' });
    expect(await rig.provider.pause(ref, testCall())).toEqual({ preservesRam: false });
    const failure = await failureOf(rig.provider.resume(ref, { allowColdBoot: false }, testCall()));
    expect(failure).toMatchObject({ kind: 'memory_lost', effect: 'none' });
    expect(guestOf(rig, ref.nativeId).status).toBe('stopped');
    const resumed = await rig.provider.resume(ref, { allowColdBoot: true }, testCall());
    expect(resumed.memoryKept).toBe(false);
    expect(guestOf(rig, ref.nativeId)).toMatchObject({ status: 'running', bootCount: 2 });
  });

  it('joins a pause that is under way elsewhere', async () => {
    const rig = await startRig({ pve: { latency: { suspendMs: 200 } } });
    const { ref } = await startGuest(rig.provider);
    const first = rig.provider.pause(ref, testCall());
    while (guestOf(rig, ref.nativeId).lock !== 'suspending') await new Promise((go) => setTimeout(go, 5));
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'pausing' });
    const second = testCall();
    expect(await rig.provider.pause(ref, second)).toEqual({ preservesRam: true });
    expect(second.steps).toEqual([]);
    expect(await first).toEqual({ preservesRam: true });
  });

  it('waits for a pause under way before it resumes', async () => {
    const rig = await startRig({ pve: { latency: { suspendMs: 200 } } });
    const { ref } = await startGuest(rig.provider);
    // It may find its guest running again; what it says of that is not this test's.
    const pause = rig.provider.pause(ref, testCall()).catch(() => {});
    while (guestOf(rig, ref.nativeId).lock !== 'suspending') await new Promise((go) => setTimeout(go, 5));
    const resumed = await rig.provider.resume(ref, { allowColdBoot: false }, testCall());
    expect(resumed.memoryKept).toBe(true);
    await pause;
    expect(guestOf(rig, ref.nativeId)).toMatchObject({ status: 'running', bootCount: 1 });
  });

  it('is stuck when the suspend died and left its lock, whatever is asked then', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    rig.faults.add({ times: 1, action: { kind: 'kill-task', taskType: 'qmsuspend', at: 'middle' } });
    const stuck = { kind: 'stuck', remediation: `qm unlock ${ref.nativeId}   # as root on pve1` };
    expect(await failureOf(rig.provider.pause(ref, testCall()))).toMatchObject(stuck);
    expect(await failureOf(rig.provider.pause(ref, testCall()))).toMatchObject(stuck);
    expect(await failureOf(rig.provider.resume(ref, { allowColdBoot: true }, testCall()))).toMatchObject(
      stuck,
    );
    expect(await failureOf(rig.provider.destroy(ref, testCall()))).toMatchObject(stuck);
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'stuck' });
  });

  it('refuses a pause that has no room for the memory image before it asks for it', async () => {
    const rig = await startRig({ pve: { storageGib: 12 } });
    const { ref } = await startGuest(rig.provider);
    const call = testCall();
    const failure = await failureOf(rig.provider.pause(ref, call));
    expect(failure).toMatchObject({ kind: 'over_capacity', effect: 'none' });
    expect(failure.message).toContain('4.5 GiB');
    expect(call.steps).toEqual([]);
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'running' });
  });

  it('says what the storage said when it fills up in between, and that nothing changed', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const exitstatus = 'lvcreate error: Insufficient free space in thin pool pve/data';
    rig.faults.add({
      times: 1,
      action: { kind: 'fail-task', taskType: 'qmsuspend', exitstatus, at: 'begin' },
    });
    const failure = await failureOf(rig.provider.pause(ref, testCall()));
    expect(failure).toMatchObject({ kind: 'over_capacity', effect: 'none' });
  });

  it('does not take a lock behind `not running` for lost memory', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    await rig.provider.pause(ref, testCall());
    const message = `VM ${ref.nativeId} not running`;
    rig.faults.add({ path: '/status/resume$', times: 1, action: { kind: 'error', status: 500, message } });
    const failure = await failureOf(rig.provider.resume(ref, { allowColdBoot: true }, testCall()));
    expect(failure).toMatchObject({ kind: 'contention', effect: 'none' });
    expect(await rig.provider.resume(ref, { allowColdBoot: false }, testCall())).toMatchObject({
      memoryKept: true,
    });
  });

  it('keeps the image when the resume fails', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    await rig.provider.pause(ref, testCall());
    const exitstatus = 'start failed: QEMU exited with code 1';
    rig.faults.add({ times: 1, action: { kind: 'fail-task', taskType: 'qmresume', exitstatus } });
    const failure = await failureOf(rig.provider.resume(ref, { allowColdBoot: true }, testCall()));
    expect(failure).toMatchObject({ kind: 'guest_failed', effect: 'none' });
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'paused' });
  });

  it('is contention, not a failure of the guest, while a backup holds it', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    rig.faults.add({
      times: 1,
      action: { kind: 'fail-task', taskType: 'qmsuspend', exitstatus: 'VM is locked (backup)', at: 'begin' },
    });
    const failure = await failureOf(rig.provider.pause(ref, testCall()));
    expect(failure).toMatchObject({ kind: 'contention', effect: 'none' });
  });
});

describe('destroying', () => {
  it('proves absence cluster-wide before it returns', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const asked = rig.calls()['GET /cluster/nextid'] ?? 0;
    await rig.provider.destroy(ref, testCall());
    expect(rig.calls()['GET /cluster/nextid']).toBeGreaterThan(asked);
  });

  it('does not conclude from a node alone that a guest is gone', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const message = `Configuration file 'nodes/pve1/qemu-server/${ref.nativeId}.conf' does not exist`;
    rig.faults.add({ path: '/config$', action: { kind: 'error', status: 500, message } });
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'unknown' });
    expect(await failureOf(rig.provider.destroy(ref, testCall()))).toMatchObject({ kind: 'contention' });
    expect(rig.nativeIds()).toEqual([ref.nativeId]);
  });

  it('takes a 403 on its own VMID for a hole in its rights, never for absence', async () => {
    const rig = await startRig();
    const { intent, ref } = await startGuest(rig.provider);
    const message = `Permission check failed (/vms/${ref.nativeId}, VM.Audit)`;
    rig.faults.add({ path: '/config$', action: { kind: 'error', status: 403, message } });
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'unknown' });
    const unknown = { kind: 'unauthorized', effect: 'unknown' };
    expect(await failureOf(rig.provider.look(intent, testCall()))).toMatchObject(unknown);
    expect(await failureOf(rig.provider.destroy(ref, testCall()))).toMatchObject(unknown);
  });

  it('respects the protection that a person set, and says how to lift it', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    await byHand(rig, 'PUT', `/qemu/${ref.nativeId}/config`, { protection: '1' });
    const call = testCall();
    const failure = await failureOf(rig.provider.destroy(ref, call));
    expect(failure).toMatchObject({ kind: 'wrong_state', effect: 'none' });
    expect(failure.remediation).toContain(`qm set ${ref.nativeId} --protection 0`);
    expect(call.steps).toEqual([]);
    expect(guestOf(rig, ref.nativeId).status).toBe('running');
  });

  it.each([
    ['renamed it', { name: 'keep-me' }],
    ['removed its marker', { description: 'mine' }],
  ])('leaves a guest alone whose owner %s', async (_, params) => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    await byHand(rig, 'PUT', `/qemu/${ref.nativeId}/config`, params);
    const call = testCall();
    expect(await failureOf(rig.provider.destroy(ref, call))).toMatchObject({ kind: 'foreign_guest' });
    expect(call.steps).toEqual([]);
  });

  it('reads the marker anew between stop and destroy', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const call = testCall();
    const step: typeof call.step = async (name, send) => {
      const done = await call.step(name, send);
      if (name === 'stop') {
        while (guestOf(rig, ref.nativeId).status !== 'stopped') await new Promise((go) => setTimeout(go, 5));
        await byHand(rig, 'PUT', `/qemu/${ref.nativeId}/config`, { name: 'rescued' });
      }
      return done;
    };
    expect(await failureOf(rig.provider.destroy(ref, { ...call, step }))).toMatchObject({
      kind: 'foreign_guest',
    });
    expect(call.steps).toEqual(['stop']);
    expect(rig.nativeIds()).toEqual([ref.nativeId]);
  });

  it('stops again a guest that was started meanwhile', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const message = `VM ${ref.nativeId} is running - destroy failed`;
    rig.faults.add({
      method: 'DELETE',
      path: '.',
      times: 1,
      action: { kind: 'error', status: 500, message },
    });
    await rig.provider.destroy(ref, testCall());
    expect(rig.nativeIds()).toEqual([]);
  });
});

describe('listing', () => {
  it('shows our guests in their states, not templates and strangers', async () => {
    const rig = await startRig();
    const [running, paused] = [await startGuest(rig.provider), await startGuest(rig.provider)];
    await rig.provider.pause(paused.ref, testCall());
    await byHand(rig, 'POST', '/qemu/9000/clone', { newid: '300', name: 'pet', full: '0' });
    const listed = await rig.provider.list(testCall());
    expect(listed.map(({ ref, condition }) => [ref.guestId, condition]).toSorted()).toEqual(
      [
        [running.ref.guestId, 'running'],
        [paused.ref.guestId, 'paused'],
      ].toSorted(),
    );
  });
});
