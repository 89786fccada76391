/** What is special to full VMs on Proxmox VE. */
import { describe, expect, it } from 'vitest';
import { formatMarkerLine } from '../../src/core/marker.ts';
import { VmidRangeExhausted } from '../../src/core/ports.ts';
import { byHand, guestOf, type PveRig, startRig } from './pve-vm-rig.ts';
import { createTestPool, failureOf, specFor, startGuest, TEMPLATE, testCall } from './rig.ts';

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

  it('may be our own clone as long as nobody could see what is there', async () => {
    const rig = await startRig();
    const intent = await rig.provider.prepare(specFor(rig.provider), testCall());
    await byHand(rig, 'POST', '/qemu/9000/clone', {
      newid: String(intent.vmid),
      name: 'anything',
      full: '0',
    });
    const path = `/qemu/${intent.vmid}/config$`;
    rig.faults.add({ path, action: { kind: 'error', status: 500, message: 'unable to read it' } });
    expect(await failureOf(rig.provider.create(intent, testCall()))).toMatchObject({ effect: 'unknown' });
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
