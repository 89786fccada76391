/** Times to live and the end of long pauses, on a clock of the test's own, with real workers and simulators. */
import { afterEach, expect, test } from 'vitest';
import { DEFAULT_IDLE_POLICY } from '../../src/core/idle-policy.ts';
import { ENFORCE, HOUR_MS, type IdleRig, startIdleRig } from './idle-rig.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function rig(...args: Parameters<typeof startIdleRig>): Promise<IdleRig> {
  const started = await startIdleRig(...args);
  closers.push(started.close);
  return started;
}

test('pain 11, an hour to live pauses no agent at work: it waits for the end of the turn', async () => {
  const idle = await rig(DEFAULT_IDLE_POLICY);
  const { store } = idle.system;
  const sandbox = await idle.start({ ttlSeconds: 3_600 });
  const hold = { owner: 'run-7', reason: 'agent turn running', forMs: 80 * 60_000 };
  await store.activity.hold(sandbox.id, hold, idle.nowMs(), 8 * HOUR_MS);
  expect((await idle.pass(75, { sweep: 'expire' })).paused).toBe(0);
  await idle.state(sandbox.id, 'running');
  expect((await idle.pass(15, { sweep: 'expire' })).paused).toBe(1);
  expect(await idle.state(sandbox.id, 'paused')).toMatchObject({ preservesRam: true });
});

test('a time to live that is set anew counts from then, and one that is taken away never ends', async () => {
  const idle = await rig();
  const longer = await idle.start({ ttlSeconds: 600, onExpiry: 'destroy' });
  const endless = await idle.start({ ttlSeconds: 600, onExpiry: 'destroy' });
  const late = await idle.start();
  await idle.producer.setTtl(longer.id, 1_800);
  await idle.producer.setTtl(endless.id, null);
  await idle.producer.setTtl(late.id, 600, { onExpiry: 'destroy' });
  await idle.pass(15, { sweep: 'expire' });
  await idle.state(late.id, 'destroyed');
  await idle.state(longer.id, 'running');
  await idle.pass(20, { sweep: 'expire' });
  await idle.state(longer.id, 'destroyed');
  await idle.state(endless.id, 'running');
});

test('a dry run of expire says what it would do and does nothing', async () => {
  const idle = await rig();
  const sandbox = await idle.start({ ttlSeconds: 600, onExpiry: 'destroy' });
  await idle.pass(11);
  expect(await idle.run('expire', true)).toMatchObject({ destroyed: 1 });
  await idle.state(sandbox.id, 'running');
  expect(await idle.run('expire')).toMatchObject({ destroyed: 1 });
  await idle.state(sandbox.id, 'destroyed');
});

const SHORT = { retainPausedMs: 2 * HOUR_MS };

test('pain 10, one that was paused long ago is destroyed, counted from when it was last used', async () => {
  const idle = await rig({ ...ENFORCE, ...SHORT });
  const used = await idle.start();
  const left = await idle.start();
  await idle.run('idle-suspend');
  for (const { id } of [used, left]) await idle.producer.pause(id);
  await idle.pass(90, { sweep: 'retention' });
  await idle.producer.resume(used.id);
  await idle.producer.pause(used.id);
  const counts = await idle.pass(100, { sweep: 'retention' });
  expect(counts).toMatchObject({ destroyed: 1 });
  await idle.state(left.id, 'destroyed');
  await idle.state(used.id, 'paused');
});

test('in shadow mode, and in a dry run, retention only counts', async () => {
  const idle = await rig({ ...DEFAULT_IDLE_POLICY, ...SHORT });
  const sandbox = await idle.start();
  await idle.run('idle-suspend');
  await idle.producer.pause(sandbox.id);
  const counts = await idle.pass(200, { sweep: 'retention' });
  expect(counts.destroyed).toBe(0);
  expect(counts.wouldDestroy).toBeGreaterThan(0);
  await idle.state(sandbox.id, 'paused');
});

test('retention destroys no more than the brake lets it in an hour', async () => {
  const idle = await rig({ ...ENFORCE, ...SHORT });
  const sandboxes = await Promise.all([1, 2, 3, 4].map(() => idle.start()));
  await idle.run('idle-suspend');
  await Promise.all(sandboxes.map(({ id }) => idle.producer.pause(id)));
  const counts = await idle.pass(190, { sweep: 'retention' });
  expect(counts).toMatchObject({ destroyed: 3 });
  expect(counts.braked).toBeGreaterThan(0);
});
