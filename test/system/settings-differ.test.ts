/** Two processes of one deployment that were given different settings. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PROCESS_GONE_AFTER_MS, settingsInForce } from '../../src/core/settings-agreement.ts';
import { type System, type SystemOptions, startSystem } from '../../src/main/system.ts';
import { watchDeployment } from '../../src/workers/sweeps/watch-deployment.ts';
import { eventually } from '../support/eventually.ts';
import { FAST_RECOVERY, startTestSystem, type TestSystem } from '../support/system.ts';

const MINUTE_MS = 60_000;

let clockMs: number;
let world: TestSystem;
const others: System[] = [];
beforeEach(async () => {
  clockMs = Date.now();
  const recovery = { ...FAST_RECOVERY, statusEveryMs: 50 };
  world = await startTestSystem({ sweeps: false, recovery, nowMs: () => clockMs });
});
afterEach(async () => {
  for (const other of others.splice(0)) await other.close();
  await world.close();
});

const store = () => world.system.store;
const watch = (dryRun = false) => watchDeployment({ store: store(), nowMs: () => clockMs }, { dryRun });
const raised = async () => (await store().alerts.active()).find(({ name }) => name === 'settings.differ');
const latest = async () => settingsInForce(await store().announcements.read())?.process ?? 'nobody';
const fallbacks = async () => (await store().deployment.view())?.settings.routing.fallbacks;

/** One that starts a second later. */
async function startAnother(changed: Partial<SystemOptions> = {}): Promise<System> {
  clockMs += 1_000;
  const other = await startSystem({ ...world.options, ...changed, roles: ['workers'] });
  others.push(other);
  return other;
}

/** As if it had died more than a minute ago by Redis's clock: what it announced is still there. */
async function die(system: System, process: string): Promise<void> {
  const key = store().keys.settingsAnnounced;
  const text = await store().redis.hget(key, process);
  await system.close();
  const announced = { ...JSON.parse(text ?? ''), announcedAtMs: Date.now() - PROCESS_GONE_AFTER_MS - 5_000 };
  await store().redis.hset(key, process, JSON.stringify(announced));
}

const MORPH_ONLY = { primary: 'morph', fallbacks: [], byWorkload: {} } as const;

test('settings that differ for longer than ten minutes raise an alert that names processes and parts, until all agree', async () => {
  const first = await latest();
  const other = await startAnother({ routing: MORPH_ONLY, automaticDestruction: 'off' });
  const second = await latest();
  expect(await fallbacks()).toEqual([]);

  clockMs += 10 * MINUTE_MS;
  await watch();
  expect(await raised()).toBeUndefined();
  clockMs += 1;
  expect(await watch(true)).toMatchObject({ raised: 1 });
  expect(await raised()).toBeUndefined();
  await watch();
  const { message, remediation } = (await raised()) ?? {};
  expect(message).toBe(
    `the settings of ${second} are in force, because it started last; ${first} has other automaticDestruction, routing`,
  );
  expect(remediation).toContain('the same environment');
  // A digest is all that is kept: neither the routing nor any other setting can be read from it.
  expect(await store().redis.hvals(store().keys.settingsAnnounced)).not.toContainEqual(
    expect.stringContaining('morph'),
  );

  // Somebody restarts it with other settings again: they are young, and still not the same.
  await die(other, second);
  const third = await startAnother({ routing: MORPH_ONLY });
  await watch();
  expect(await raised()).toBeDefined();

  await third.close();
  await startAnother();
  await watch();
  expect(await raised()).toBeUndefined();
});

test('when the process that started last is gone, the settings of the one before it are in force', async () => {
  const first = await latest();
  const other = await startAnother({ routing: MORPH_ONLY });
  expect(await fallbacks()).toEqual([]);
  const second = await latest();
  await die(other, second);
  await eventually('the first is in force', async () => (await fallbacks())?.[0] === 'morph');
  // And what is gone was taken away.
  expect((await store().announcements.read()).map(({ process }) => process)).toEqual([first]);
});

test('a process that is shut down takes its settings with it, and is not waited for', async () => {
  const first = await latest();
  const other = await startAnother({ routing: MORPH_ONLY });
  expect(await fallbacks()).toEqual([]);
  await other.close();
  expect((await store().announcements.read()).map(({ process }) => process)).toEqual([first]);
  await eventually('the first is in force', async () => (await fallbacks())?.[0] === 'morph');
});

test('settings of whoever started last stay in force after Redis was emptied', async () => {
  await startAnother({ routing: MORPH_ONLY });
  const { redis, keys } = store();
  await redis.del(keys.deployment, keys.settingsAnnounced);
  await eventually('both are there again', async () => (await store().announcements.read()).length === 2);
  await eventually('they are those of the second', async () => (await fallbacks())?.length === 0);
});
