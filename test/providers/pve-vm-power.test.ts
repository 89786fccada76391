/** Full VMs on Proxmox VE once they run: pausing, resuming, destroying. */
import { describe, expect, it } from 'vitest';
import { waitUntilUsable } from '../../src/providers/readiness.ts';
import { eventually } from '../support/eventually.ts';
import { byHand, guestOf, startRig } from './pve-vm-rig.ts';
import { failureOf, readCounter, startGuest, testCall } from './rig.ts';

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

  it('lets no two pauses share the room of one, and goes on with the second when there is more', async () => {
    const rig = await startRig({ pve: { storageGib: 16 } });
    const [first, second] = [await startGuest(rig.provider), await startGuest(rig.provider)];
    rig.faults.add({ times: 1, action: { kind: 'slow-task', taskType: 'qmsuspend', ms: 300 } });
    const firstCall = testCall();
    const firstPause = rig.provider.pause(first.ref, firstCall);
    await eventually('the first was asked for', () => firstCall.steps.includes('suspend'));
    const waiting = testCall();
    expect(await failureOf(rig.provider.pause(second.ref, waiting))).toMatchObject({
      kind: 'waiting',
      effect: 'none',
    });
    expect(waiting.steps).toEqual([]);
    expect(await firstPause).toEqual({ preservesRam: true });

    // Its image is there now, and what is left is not enough.
    const refused = testCall();
    expect(await failureOf(rig.provider.pause(second.ref, refused))).toMatchObject({ kind: 'over_capacity' });
    expect(refused.steps).toEqual([]);
    await rig.provider.destroy(first.ref, testCall());
    expect(await rig.provider.pause(second.ref, testCall())).toEqual({ preservesRam: true });
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
