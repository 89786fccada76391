/** Idle sandboxes are suspended, and only those: the sweeps on a clock of the test's own, real workers, simulators. */
import { afterEach, expect, test } from 'vitest';
import { DEFAULT_IDLE_POLICY } from '../../src/core/idle-policy.ts';
import { startSystem } from '../../src/main/system.ts';
import { createProducer } from '../../src/producers/redis-producer.ts';
import { PRESET, readCounter } from '../support/system.ts';
import { ENFORCE, HOUR_MS, type IdleRig, MINUTE_MS, startIdleRig } from './idle-rig.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function rig(...args: Parameters<typeof startIdleRig>): Promise<IdleRig> {
  const started = await startIdleRig(...args);
  closers.push(started.close);
  return started;
}

const CONTAINER = { 'pve-lxc': { templates: [{ vmid: 9250, expectedName: 'cmux-template-lxc' }] } };

test('an idle sandbox is suspended with its memory after its limit, not before, and the receipt says why', async () => {
  const idle = await rig();
  const sandbox = await idle.start();
  await idle.touch(sandbox.id);
  const counter = await readCounter(sandbox.endpoints.vscode);
  expect((await idle.pass(14)).suspended).toBe(0);
  await idle.state(sandbox.id, 'running');
  expect((await idle.pass(3)).suspended).toBe(1);
  expect(await idle.state(sandbox.id, 'paused')).toMatchObject({ preservesRam: true });

  const { history } = await idle.producer.why(sandbox.id);
  expect(history.find(({ type }) => type === 'sandbox.judged')?.facts).toMatchObject({
    by: 'idle-suspend',
    action: 'pause',
    mode: 'enforce',
    rule: 'idle',
    reason: expect.stringContaining('the limit (pve-vm) is 15 min'),
    evidence: expect.stringContaining('touch by a test'),
  });
  expect(history.find(({ type }) => type === 'operation.requested')?.facts).toMatchObject({
    kind: 'pause',
    by: 'sweep idle-suspend',
  });
  const { memoryKept } = await idle.producer.resume(sandbox.id);
  expect(memoryKept).toBe(true);
  expect(await readCounter(sandbox.endpoints.vscode)).toBeGreaterThan(counter);
});

test('one that is used, held, computing or protected goes on, and those beside it are suspended', async () => {
  const idle = await rig();
  const { store } = idle.system;
  const touched = await idle.start();
  const held = await idle.start();
  const kept = await idle.start({ protected: true });
  const left = await idle.start();
  const hold = { owner: 'run-7', reason: 'agent turn running', forMs: 2 * HOUR_MS };
  await store.activity.hold(held.id, hold, idle.nowMs(), 8 * HOUR_MS);
  await idle.pass(20, { each: () => idle.touch(touched.id) });
  await idle.state(left.id, 'paused');
  for (const { id } of [touched, held, kept]) await idle.state(id, 'running');

  await idle.pass(20, { cpuShare: 0.8 });
  for (const { id } of [touched, held, kept]) await idle.state(id, 'running');
});

test('pain 8, one that was resumed five minutes ago is not paused for the age of its creation', async () => {
  const idle = await rig();
  const sandbox = await idle.start();
  await idle.pass(17);
  await idle.state(sandbox.id, 'paused');
  await idle.pass(60);
  await idle.producer.resume(sandbox.id);
  expect((await idle.pass(14)).suspended).toBe(0);
  await idle.state(sandbox.id, 'running');
});

test('pain 7, a cloud workspace is left alone by every sweep', async () => {
  const idle = await rig({ ...ENFORCE, retainPausedMs: HOUR_MS });
  const sandbox = await idle.start({ protected: true, ttlSeconds: 600, onExpiry: 'destroy' });
  await idle.pass(30);
  await idle.pass(2, { sweep: 'expire' });
  await idle.state(sandbox.id, 'running');
  await idle.producer.pause(sandbox.id);
  await idle.pass(180, { sweep: 'retention' });
  await idle.state(sandbox.id, 'paused');
});

test('pain 9, what is unknown never stops a container, and suspends a VM late', async () => {
  const idle = await rig(ENFORCE, {
    templates: [
      { kind: 'lxc', vmid: 9250, name: 'cmux-template-lxc', cores: 2, memoryMib: 2_048, diskGib: 8 },
    ],
  });
  const container = await idle.start({
    preset: undefined as never,
    sources: CONTAINER,
    preferredProvider: 'pve-lxc',
  });
  const vm = await idle.start();
  expect(container.provider).toBe('pve-lxc');
  await idle.pass(100, { cpuShare: undefined });
  await idle.state(vm.id, 'running');
  await idle.pass(60, { cpuShare: undefined });
  await idle.state(vm.id, 'paused');
  await idle.state(container.id, 'running');
});

test('pain 12, another deployment with the same Redis and the same providers is not touched', async () => {
  const idle = await rig();
  const options = { ...idle.options, deployment: `${idle.options.deployment}-other` };
  const other = await startSystem({ ...options, roles: ['workers'] });
  closers.push(other.close);
  const producer = createProducer(other.store, other.submitter);
  const theirs = await producer.start({ preset: PRESET });
  await idle.start();
  expect((await idle.pass(20)).suspended).toBe(1);
  expect(await producer.get(theirs.id, { refresh: true })).toMatchObject({ state: 'running' });
});

test('shadow mode counts what it would have suspended, what that saved and what was used again, and touches nothing', async () => {
  const idle = await rig(DEFAULT_IDLE_POLICY);
  const regretted = await idle.start();
  const abandoned = await idle.start();
  expect(await idle.pass(17)).toMatchObject({ wouldSuspend: 2, suspended: 0 });
  await idle.touch(regretted.id);
  await idle.pass(30);
  const counts = { suspended: 0, savedMs: 0, usedAgain: 0 };
  for (const { shadow } of await idle.system.store.idle.days(2, idle.nowMs())) {
    counts.suspended += shadow.suspended;
    counts.savedMs += shadow.savedMs;
    counts.usedAgain += shadow.usedAgain;
  }
  // The regretted one is idle once more by now.
  expect(counts).toMatchObject({ suspended: 3, usedAgain: 1 });
  expect(counts.savedMs).toBeGreaterThan(30 * MINUTE_MS);
  for (const { id } of [regretted, abandoned]) await idle.state(id, 'running');
  const { history } = await idle.producer.why(abandoned.id);
  expect(history.filter(({ type }) => type === 'sandbox.judged')).toHaveLength(1);
});

test('enforce that has yet to be earned acts as shadow and raises an alert, which clears when it is earned', async () => {
  const gate = { maxRegret: 0.05, minSuspended: 2, skip: false };
  const idle = await rig({ ...ENFORCE, gate });
  const { store } = idle.system;
  const first = await idle.start();
  await idle.pass(17);
  await idle.state(first.id, 'running');
  expect(await store.idle.gate()).toMatchObject({ configured: 'enforce', mode: 'shadow' });
  expect(await store.alerts.active()).toMatchObject([
    { name: 'idle.held_back', message: expect.stringContaining('1 of 2 suspensions') },
  ]);

  await idle.start();
  await idle.pass(18);
  await idle.state(first.id, 'paused');
  expect(await store.alerts.active()).toEqual([]);
});

test('one run suspends four of one place at most; the rest shows as backlog, and the next run goes on', async () => {
  const idle = await rig();
  const sandboxes = await Promise.all(
    Array.from({ length: 6 }, () => idle.start({ preferredProvider: 'pve-vm', allowFallback: false })),
  );
  // The first look arms, fifteen minutes of quiet follow, and the last minute is the one that counts.
  await idle.pass(15);
  const first = await idle.pass(1);
  expect(first).toMatchObject({ suspended: 4, deferred: 2 });
  expect(first.backlog).toBeGreaterThanOrEqual(2);
  expect(await idle.run('idle-suspend')).toMatchObject({ suspended: 2, deferred: 0, backlog: 0 });
  for (const { id } of sandboxes) await idle.state(id, 'paused');
});

test('a dry run says what it would do and changes nothing', async () => {
  const idle = await rig();
  const sandbox = await idle.start();
  await idle.pass(14);
  const before = await idle.system.store.activity.due(Number.MAX_SAFE_INTEGER, 10);
  await idle.pass(2, { sweep: 'expire' });
  expect(await idle.run('idle-suspend', true)).toMatchObject({ wouldSuspend: 1, suspended: 0 });
  expect(await idle.system.store.activity.due(Number.MAX_SAFE_INTEGER, 10)).toEqual(before);
  await idle.state(sandbox.id, 'running');
  expect((await idle.run('idle-suspend')).suspended).toBe(1);
});

test('while the registry is in doubt nothing is suspended, expired or destroyed', async () => {
  const idle = await rig();
  const sandbox = await idle.start({ ttlSeconds: 60, onExpiry: 'destroy' });
  await idle.system.store.automation.enterAdoptOnly('guests nobody knows', idle.nowMs());
  expect(await idle.pass(20)).toMatchObject({ suspended: 0 });
  expect(await idle.pass(1, { sweep: 'expire' })).toMatchObject({ refused: 1, destroyed: 0 });
  await idle.state(sandbox.id, 'running');
});

test('why tells what was observed when, who holds it awake, which rule counts and when it will be suspended', async () => {
  const idle = await rig();
  const { store } = idle.system;
  const sandbox = await idle.start();
  await idle.touch(sandbox.id);
  await idle.pass(3);
  const quiet = (await idle.producer.why(sandbox.id)).idle;
  expect(quiet).toMatchObject({ verdict: 'watching', rule: 'quiet', mode: 'enforce', heldBy: [] });
  expect(quiet?.threshold).toEqual({ afterMs: 15 * MINUTE_MS, from: 'pve-vm' });
  expect(quiet?.observed.find(({ what }) => what === 'activity')?.detail).toBe('touch by a test');
  expect(quiet?.summary).toContain(new Date(quiet?.suspendAtMs ?? 0).toISOString());
  const [next] = await store.idle.upcoming(5);
  expect(next).toEqual({ sandboxId: sandbox.id, atMs: quiet?.suspendAtMs });

  const request = { owner: 'run-7', reason: 'agent turn running', forMs: HOUR_MS };
  await store.activity.hold(sandbox.id, request, idle.nowMs(), 8 * HOUR_MS);
  const held = (await idle.producer.why(sandbox.id)).idle;
  expect(held).toMatchObject({ verdict: 'awake', rule: 'held', heldBy: [{ owner: 'run-7' }] });
  expect(held?.suspendAtMs).toBe((held?.heldBy[0]?.untilMs ?? 0) + 15 * MINUTE_MS);
  // To ask is no use of it, and leaves no look behind.
  const before = await store.idle.records([sandbox.id]);
  await idle.producer.why(sandbox.id);
  expect(await store.idle.records([sandbox.id])).toEqual(before);
  expect((await store.activity.read([sandbox.id], idle.nowMs()))[0]?.sequence).toBe(3);
});

test('why says plainly that shadow mode only counts, why enforce is held back, and what is exempt', async () => {
  const idle = await rig({ ...ENFORCE, gate: { maxRegret: 0.05, minSuspended: 2, skip: false } });
  const [watched, kept] = [await idle.start(), await idle.start({ protected: true })];
  await idle.pass(3);
  const outlook = (await idle.producer.why(watched.id)).idle;
  expect(outlook).toMatchObject({ mode: 'shadow', heldBack: expect.stringContaining('0 of 2 suspensions') });
  expect(outlook?.summary).toContain('shadow mode would suspend it');
  const exempt = (await idle.producer.why(kept.id)).idle;
  expect(exempt).toMatchObject({ verdict: 'exempt', rule: 'protected' });
  expect(exempt).not.toHaveProperty('suspendAtMs');
  await idle.producer.destroy(kept.id);
  expect(await idle.producer.why(kept.id)).not.toHaveProperty('idle');
});
