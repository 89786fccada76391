/** The clock of a VM that slept, on both versions of Proxmox VE. */
import { describe, expect, it } from 'vitest';
import type { ResumeRequest } from '../../src/providers/provider.ts';
import { neededPrivileges } from '../../src/providers/pve/pve-privileges.ts';
import { eventually } from '../support/eventually.ts';
import { byHand, startRig } from './pve-vm-rig.ts';
import { type PveRigOptions, startGuest, TEMPLATE, testCall } from './rig.ts';

const HOUR_MS = 3_600_000;
const PAUSED = { allowColdBoot: false, wasPaused: true };

/** A world whose clock goes on at our word, and a VM in it. */
async function startWorld(options: PveRigOptions = {}) {
  let aheadMs = 0;
  const nowMs = () => Date.now() + aheadMs;
  const rig = await startRig({ ...options, nowMs, driver: { setClock: true, nowMs, ...options.driver } });
  const { ref } = await startGuest(rig.provider);
  async function sleepAnHour() {
    await rig.provider.pause(ref, testCall());
    aheadMs += HOUR_MS;
  }
  async function resume(from: ResumeRequest = PAUSED, signal?: AbortSignal) {
    const call = testCall(signal);
    const { clock, memoryKept } = await rig.provider.resume(ref, from, call);
    return { clock, memoryKept, steps: call.steps };
  }
  const agentCalls = () => Object.keys(rig.calls()).filter((call) => call.includes('/agent/'));
  return { rig, ref, sleepAnHour, resume, agentCalls };
}

describe.each(['8.4.5', '9.2.3'])('on Proxmox VE %s', (version) => {
  it('is set once it woke, and how far it was behind is told', async () => {
    const { sleepAnHour, resume } = await startWorld({ pve: { version } });
    await sleepAnHour();
    const first = await resume();
    expect(first).toMatchObject({ memoryKept: true, clock: { isRight: true } });
    expect(first.clock).toHaveProperty('behindMs', expect.closeTo(HOUR_MS, -4));
    expect(first.steps).toContain('set-clock');
    // Whoever takes over after a crash finds it running, and right.
    const again = await resume();
    expect(again).toMatchObject({ memoryKept: true, clock: { isRight: true }, steps: [] });
  });

  it('is left to whoever uses the sandbox when the token may not run anything in guests', async () => {
    const needs = { major: Number(version[0]), asksAgent: false, cloudInit: false, setClock: false };
    const acl = { '/': neededPrivileges(needs).map(({ privilege }) => privilege) };
    const { sleepAnHour, resume } = await startWorld({ pve: { version, acl } });
    await sleepAnHour();
    expect(await resume()).toMatchObject({ memoryKept: true, clock: 'unknown' });
  });
});

it('is not asked for where it is not to be set', async () => {
  const { sleepAnHour, resume, agentCalls } = await startWorld({ driver: { setClock: false } });
  await sleepAnHour();
  expect(await resume()).toMatchObject({ memoryKept: true, clock: 'unknown' });
  expect(agentCalls()).toEqual([]);
});

it('of a VM that never slept is left as it is', async () => {
  const { resume, agentCalls } = await startWorld();
  expect(await resume({ allowColdBoot: false })).toEqual({ clock: undefined, memoryKept: true, steps: [] });
  expect(agentCalls().filter((call) => /get-time|exec/.test(call))).toEqual([]);
});

it.each([
  ['/agent/get-time$', 'unknown'],
  ['/agent/exec$', { behindMs: expect.any(Number), isRight: false }],
  ['/agent/exec-status$', { behindMs: expect.any(Number), isRight: false }],
])('keeps nobody waiting beyond its bound for %s', async (path, clock) => {
  const { rig, sleepAnHour, resume } = await startWorld({ driver: { clockTimeoutMs: 1_500 } });
  await sleepAnHour();
  rig.faults.add({ path, action: { kind: 'hang' } });
  expect(await resume()).toMatchObject({ memoryKept: true, clock });
});

it('ends with its call when that is aborted', async () => {
  const { rig, sleepAnHour, resume, agentCalls } = await startWorld();
  await sleepAnHour();
  rig.faults.add({ path: '/agent/get-time$', action: { kind: 'hang' } });
  const controller = new AbortController();
  const resuming = resume(PAUSED, controller.signal);
  resuming.catch(() => undefined); // Told below.
  await eventually('it reads the clock', () => agentCalls().some((call) => call.includes('get-time')));
  controller.abort(new Error('lease lost'));
  await expect(resuming).rejects.toThrow('lease lost');
});

it('is unknown without an agent, and the resume succeeds', async () => {
  const { sleepAnHour, resume } = await startWorld({ pve: { templates: [{ ...TEMPLATE, agent: false }] } });
  await sleepAnHour();
  expect(await resume()).toMatchObject({ memoryKept: true, clock: 'unknown' });
});

it('is not called right when it could not be set', async () => {
  const { rig, sleepAnHour, resume } = await startWorld();
  await sleepAnHour();
  const message = 'Agent error: Failed to execute child process “date” (No such file or directory)';
  rig.faults.add({ path: '/agent/exec$', action: { kind: 'error', status: 500, message } });
  const { clock, memoryKept } = await resume();
  expect(memoryKept).toBe(true);
  expect(clock).toEqual({ behindMs: expect.closeTo(HOUR_MS, -4), isRight: false });
});

it('is right after a boot from disk, which takes it from the host', async () => {
  const { rig, ref, resume } = await startWorld();
  await byHand(rig, 'POST', `/qemu/${ref.nativeId}/status/stop`);
  const resumed = await resume({ allowColdBoot: true });
  expect(resumed).toMatchObject({ memoryKept: false });
  expect(resumed.clock).toBeUndefined();
});
