import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SandboxState } from '../../src/core/sandbox.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { emit } from '../../src/store/events.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { sharedRedisUrl } from '../support/redis.ts';

let store: Store;
beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  store = createStore(redis, `test-${randomBytes(6).toString('hex')}`);
});
afterAll(async () => {
  await store.close();
  store.redis.disconnect();
});

const T0 = 1_700_000_000_000;
const HOUR = 3_600_000;
let made = 0;

/** A sandbox as far as its use goes: a record in a state, reached by a transition. */
async function sandboxIn(state: SandboxState, atMs = T0): Promise<string> {
  made += 1;
  const id = `sbx-${made}`;
  await enter(id, state, atMs);
  return id;
}

async function enter(id: string, to: SandboxState, atMs: number): Promise<void> {
  const transaction = store.begin().setFields(store.keys.sandbox(id), { id, state: to });
  emit(transaction, store.keys, 'sandbox.changed', atMs, {
    sandboxId: id,
    operationId: 'op-1',
    from: '',
    to,
  });
  await transaction.commit();
}

async function readOne(id: string, nowMs: number) {
  const [activity] = await store.activity.read([id], nowMs);
  if (activity === undefined) throw new Error('no answer');
  return activity;
}

test('becoming running starts the clock, is an activity, and asks for a look', async () => {
  const id = await sandboxIn('running');
  expect(await readOne(id, T0)).toEqual({ sequence: 1, runningSinceMs: T0, holds: [] });
  expect(await store.activity.due(T0, 1_000)).toContain(id);
});

test('what does not run is not looked at, and comes back with a new clock when it runs again', async () => {
  const id = await sandboxIn('running');
  await enter(id, 'pausing', T0 + 1);
  await store.activity.lookAgain(id, T0);
  expect(await store.activity.due(T0 + HOUR, 1_000)).not.toContain(id);
  await enter(id, 'running', T0 + 2 * HOUR);
  expect(await readOne(id, T0 + 2 * HOUR)).toMatchObject({ sequence: 2, runningSinceMs: T0 + 2 * HOUR });
  expect(await store.activity.due(T0 + HOUR, 1_000)).not.toContain(id);
  expect(await store.activity.due(T0 + 2 * HOUR, 1_000)).toContain(id);
});

test('a look can be put off, and the backlog says how many are due', async () => {
  const id = await sandboxIn('running', T0 - 100 * HOUR);
  const before = await store.activity.dueCount(T0 - 99 * HOUR);
  await store.activity.lookAgain(id, T0 + 1_000 * HOUR);
  expect(await store.activity.dueCount(T0 - 99 * HOUR)).toBe(before - 1);
});

test('touches many in one call: running, paused and pausing ones, but none that ended or never was', async () => {
  const ids = [
    await sandboxIn('running'),
    await sandboxIn('paused'),
    await sandboxIn('pausing'),
    await sandboxIn('destroyed'),
    'sbx-unheard-of',
  ];
  expect(await store.activity.touch(ids, 'touch', T0 + 5)).toEqual([
    'noted',
    'noted',
    'noted',
    'no_such_sandbox',
    'no_such_sandbox',
  ]);
  expect(await readOne(ids[0] ?? '', T0 + 5)).toMatchObject({
    sequence: 2,
    lastActivity: { atMs: T0 + 5, what: 'touch' },
  });
  expect(await store.redis.exists(store.keys.activity('sbx-unheard-of'))).toBe(0);
});

test('a clock that is behind takes no activity back, and still raises the sequence', async () => {
  const id = await sandboxIn('running');
  await store.activity.touch([id], 'touch by a', T0 + 60_000);
  await store.activity.touch([id], 'touch by b', T0 + 10);
  expect(await readOne(id, T0 + 60_000)).toMatchObject({
    sequence: 3,
    lastActivity: { atMs: T0 + 60_000, what: 'touch by a' },
  });
});

test('a hold lasts no longer than the longest, is renewed by its owner, and is released by name', async () => {
  const id = await sandboxIn('running');
  const asked = { owner: 'run-1', reason: 'agent turn running', forMs: 100 * HOUR };
  const { result, hold } = await store.activity.hold(id, asked, T0, 4 * HOUR);
  expect(result).toBe('noted');
  expect(hold.untilMs).toBe(T0 + 4 * HOUR);
  await store.activity.hold(id, { ...asked, forMs: HOUR }, T0 + 10, 4 * HOUR);
  expect((await readOne(id, T0 + 20)).holds).toEqual([
    { owner: 'run-1', reason: 'agent turn running', sinceMs: T0 + 10, untilMs: T0 + 10 + HOUR },
  ]);
  await store.activity.release(id, 'run-1', T0 + 30);
  expect(await readOne(id, T0 + 30)).toMatchObject({
    holds: [],
    sequence: 4,
    lastActivity: { atMs: T0 + 30, what: 'release by run-1' },
  });
});

test('the time under a hold that ran out counts as used, before and after somebody takes the next', async () => {
  const id = await sandboxIn('running');
  await store.activity.hold(id, { owner: 'run-1', reason: 'a build', forMs: HOUR }, T0, HOUR);
  const ended = { atMs: T0 + HOUR, what: 'the end of the hold by run-1' };
  const later = T0 + 3 * HOUR;
  expect(await readOne(id, later)).toMatchObject({ holds: [], lastActivity: ended });
  expect((await readOne(id, T0 + HOUR - 1)).holds).toHaveLength(1);
  await store.activity.hold(id, { owner: 'run-2', reason: 'a build', forMs: 1 }, later, HOUR);
  expect((await readOne(id, later)).holds.map(({ owner }) => owner)).toEqual(['run-2']);
});

test('a sandbox has at most sixteen holds; one that is there can still be renewed', async () => {
  const id = await sandboxIn('running');
  const take = async (owner: string) =>
    (await store.activity.hold(id, { owner, reason: 'r', forMs: HOUR }, T0, HOUR)).result;
  for (let number = 0; number < 16; number += 1) expect(await take(`owner-${number}`)).toBe('noted');
  expect(await take('one-too-many')).toBe('too_many_holds');
  expect(await take('owner-3')).toBe('noted');
});

test.each([
  { case: 'an agent process', beat: { agentProcesses: 1, loadPerCpu: 0, openConnections: 0 }, works: true },
  {
    case: 'an agent at its prompt',
    beat: {
      agentProcesses: 1,
      agentWork: { cpuShare: 0.01, bytesPerSecond: 49 },
      loadPerCpu: 0,
      openConnections: 0,
    },
    works: false,
  },
  {
    case: 'an agent that waits for its model',
    beat: {
      agentProcesses: 1,
      agentWork: { cpuShare: 0.01, bytesPerSecond: 50 },
      loadPerCpu: 0,
      openConnections: 0,
    },
    works: true,
  },
  { case: 'a build', beat: { agentProcesses: 0, loadPerCpu: 0.2, openConnections: 0 }, works: true },
  {
    case: 'just below a build',
    beat: { agentProcesses: 0, loadPerCpu: 0.19, openConnections: 0 },
    works: false,
  },
  { case: 'an open tab alone', beat: { agentProcesses: 0, loadPerCpu: 0, openConnections: 3 }, works: false },
])('a heartbeat with $case shows work: $works', async ({ beat, works }) => {
  const id = await sandboxIn('running');
  const at = T0 + 90_000;
  expect(await store.activity.heartbeat(id, { ...beat, atMs: at }, at)).toBe('noted');
  const activity = await readOne(id, at);
  expect(activity).toMatchObject({ heartbeat: { ...beat, atMs: at }, sequence: works ? 2 : 1 });
  expect(activity.workSeenAtMs).toBe(works ? at : undefined);
});

test('counters keep the newest two that are ten seconds apart, and are no activity', async () => {
  const id = await sandboxIn('running');
  const see = (secondsIn: number) =>
    store.activity.observe(
      new Map([[id, { atMs: T0 + secondsIn * 1_000, cpuShare: 0.5, networkBytes: secondsIn }]]),
      T0 + secondsIn * 1_000,
    );
  for (const second of [1, 12, 14, 21, 22, 23]) await see(second);
  const { counters, sequence } = await readOne(id, T0 + 23_000);
  expect(sequence).toBe(1);
  expect([counters?.before?.networkBytes, counters?.latest.networkBytes]).toEqual([12, 22]);
});

test('what is known of an ended sandbox goes with its record', async () => {
  const id = await sandboxIn('running');
  await enter(id, 'destroyed', T0 + 1);
  const kept = await store.redis.pttl(store.keys.activity(id));
  expect(kept).toBeGreaterThan(0);
});
