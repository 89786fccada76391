/** What a sweep decided and what people do cross each other: real workers, a real Redis, a simulated Proxmox. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Operation } from '../../src/core/operation.ts';
import { isSettled } from '../../src/core/operation.ts';
import type { SandboxView } from '../../src/core/views.ts';
import { RESUMED_BY } from '../../src/store/pins.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let test_: TestSystem;
let sandbox: SandboxView;
/** Called before a step is let go; a test puts what is to happen then here. */
let beforeStep: (name: string) => Promise<void>;
let steps: string[];

beforeEach(async () => {
  beforeStep = () => Promise.resolve();
  steps = [];
  test_ = await startTestSystem({
    latency: {
      pve: {
        cloneMs: 10,
        startMs: 10,
        suspendMs: 300,
        resumeMs: 20,
        stopMs: 10,
        destroyMs: 10,
        servicesMs: 10,
      },
    },
    onStep: async (name, when) => {
      if (when === 'after') return;
      await beforeStep(name);
      steps.push(name);
    },
  });
  sandbox = await test_.producer.start({ preset: PRESET });
  steps = [];
});
afterEach(() => test_.close());

/** As a sweep does: read, decide, submit. */
async function decide(kind: 'pause' | 'destroy', between: () => Promise<unknown> = () => Promise.resolve()) {
  const { store, submitter } = test_.system;
  const [activity] = await store.activity.read([sandbox.id], Date.now());
  const read = await store.reading.sandbox(sandbox.id);
  if (!activity || !read) throw new Error('nothing to decide about');
  await between();
  const options = kind === 'pause' ? { requiresRamSnapshot: true } : {};
  return submitter.changePinned(kind, read, activity.sequence, options, 'the sweep idle-suspend');
}

const touch = () => test_.system.store.activity.touch([sandbox.id], 'touch by a test', Date.now());

async function settled(operation: Operation | undefined): Promise<Operation> {
  return eventually('it settles', async () => {
    const now = await test_.system.store.reading.operation(operation?.id ?? '');
    return now && isSettled(now.state) && now;
  });
}
const state = async () => (await test_.producer.get(sandbox.id)).state;
const quiet = () =>
  eventually(
    'nothing waits',
    async () => (await test_.system.store.reading.pendingOperations(sandbox.id)).length === 0,
  );

test('a pause decided on an idle sandbox is carried out', async () => {
  expect(await settled(await decide('pause'))).toMatchObject({ state: 'succeeded' });
  expect(await state()).toBe('paused');
});

test('activity between decision and claim: superseded, and the provider hears nothing', async () => {
  const operation = await settled(await decide('pause', touch));
  expect(operation).toMatchObject({ state: 'superseded', pinBroken: 'touch by a test' });
  expect(await state()).toBe('running');
  expect(steps).toEqual([]);
});

test('activity between claim and the request: superseded, and the provider hears nothing', async () => {
  const { store } = test_.system;
  const take = store.attempts.takeSendRight;
  Object.assign(store.attempts, {
    takeSendRight: async (...given: Parameters<typeof take>) => {
      await touch();
      return take(...given);
    },
  });
  const operation = await settled(await decide('pause'));
  expect(operation.state).toBe('superseded');
  expect(steps).toEqual([]);
  expect(await state()).toBe('running');
  expect((await test_.producer.why(sandbox.id)).sandbox.cause).toContain('used again before it was sent');
});

test('activity after the request: the pause is carried through, and its settling resumes', async () => {
  beforeStep = async (name) => {
    if (name === 'suspend') await touch();
  };
  const operation = await settled(await decide('pause'));
  expect(operation.state).toBe('succeeded');
  await quiet();
  expect(await state()).toBe('running');
  const { operations } = await test_.producer.why(sandbox.id);
  expect(operations[0]).toMatchObject({ kind: 'resume', requestedBy: RESUMED_BY });
  expect(steps.filter((step) => step === 'suspend')).toHaveLength(1);
});

test('activity never undoes a pause that a caller asked for', async () => {
  beforeStep = async (name) => {
    if (name === 'suspend') await touch();
  };
  await test_.producer.pause(sandbox.id);
  await quiet();
  expect(await state()).toBe('paused');
});

test('a caller who joins a sweep’s pause makes it his own: activity does not undo it', async () => {
  let joined: Promise<unknown> = Promise.resolve();
  beforeStep = async (name) => {
    if (name !== 'suspend') return;
    joined = test_.producer.pause(sandbox.id);
    await eventually('the pin is gone', async () => {
      const [first] = await test_.system.store.reading.pendingOperations(sandbox.id);
      return first?.kind === 'pause' && first.pin === undefined;
    });
    await touch();
  };
  const operation = await settled(await decide('pause'));
  await joined;
  await quiet();
  expect(operation.state).toBe('succeeded');
  expect(await state()).toBe('paused');
});

test('activity on a paused sandbox wakes nothing', async () => {
  await test_.producer.pause(sandbox.id);
  steps = [];
  expect(await touch()).toEqual(['noted']);
  await quiet();
  expect(await state()).toBe('paused');
  expect(steps).toEqual([]);
});

test('what people asked for stands before what a sweep decides', async () => {
  const resumed = test_.producer.resume(sandbox.id);
  expect(await decide('pause', () => resumed)).toBeUndefined();
  expect(await state()).toBe('running');
});

test('activity supersedes a destroy that a sweep decided, and the paused memory stays', async () => {
  await test_.producer.pause(sandbox.id);
  const destroy = await decide('destroy', touch);
  expect(await settled(destroy)).toMatchObject({ state: 'superseded' });
  expect(await state()).toBe('paused');
  expect((await test_.producer.get(sandbox.id)).preservesRam).toBe(true);
});

test('a change of protection or time to live counts: the pause decided before it does not come', async () => {
  const operation = await decide('pause', () => test_.producer.setProtection(sandbox.id, true));
  expect(operation).toBeUndefined();
});

test('reading is no activity: neither get, nor list, nor why, nor a refresh', async () => {
  const sequence = async () =>
    (await test_.system.store.activity.read([sandbox.id], Date.now()))[0]?.sequence;
  const before = await sequence();
  await test_.producer.get(sandbox.id);
  await test_.producer.list();
  await test_.producer.why(sandbox.id);
  await test_.producer.get(sandbox.id, { refresh: true });
  expect(await sequence()).toBe(before);
});
