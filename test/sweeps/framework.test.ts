/** Sweeps as such: schedules, one run at a time, run, dry run, pause and resume, whoever asks. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { connectRedis } from '../../src/platform/redis.ts';
import { createSweepControl } from '../../src/queues/sweep-queues.ts';
import { createStore } from '../../src/store/store.ts';
import type { Sweep, SweepDeps } from '../../src/workers/sweep.ts';
import { startSweepWorker } from '../../src/workers/sweep-worker.ts';
import { eventually } from '../support/eventually.ts';
import { sharedRedisUrl } from '../support/redis.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function openBench() {
  const deployment = `test-${randomBytes(6).toString('hex')}`;
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  const store = createStore(redis, deployment);
  const control = createSweepControl({ ...store, nowMs: Date.now });
  closers.push(async () => {
    await control.close();
    await store.close();
    redis.disconnect();
  });
  /** One process of the fleet. */
  async function replica(sweeps: Record<string, Sweep>, hostNowMs = Date.now) {
    // These sweeps touch nothing but the store, which is all that the worker itself needs.
    const deps = { store, nowMs: Date.now, log: pino({ level: 'silent' }) } as unknown as SweepDeps;
    const timing = { lockMs: 1_000, stalledCheckMs: 500, timeZone: 'Europe/Berlin' };
    const worker = await startSweepWorker(deps, { ...timing, sweeps, hostNowMs });
    closers.push(worker.close);
    return worker;
  }
  const view = async (name: string) => {
    const found = (await control.list()).find((sweep) => sweep.name === name);
    if (found === undefined) throw new Error(`no sweep ${name}`);
    return found;
  };
  return { control, replica, view, store };
}

const NEVER_BY_ITSELF = { everyMs: 24 * 60 * 60_000 } as const;

function countingSweep(schedule: Sweep['schedule'], holdMs = 0) {
  const seen = { runs: 0, dryRuns: 0, atOnce: 0, mostAtOnce: 0 };
  const sweep: Sweep = {
    description: 'Counts its own runs.',
    schedule,
    async run(_deps, { dryRun }) {
      seen.runs += 1;
      seen.dryRuns += dryRun ? 1 : 0;
      seen.atOnce += 1;
      seen.mostAtOnce = Math.max(seen.mostAtOnce, seen.atOnce);
      await delay(holdMs);
      seen.atOnce -= 1;
      return { due: 7, done: dryRun ? 0 : 3 };
    },
  };
  return { sweep, seen };
}

test('three replicas make one run per tick, and no two at once', async () => {
  const { replica, view } = await openBench();
  const { sweep, seen } = countingSweep({ everyMs: 100 }, 120);
  await Promise.all([
    replica({ counting: sweep }),
    replica({ counting: sweep }),
    replica({ counting: sweep }),
  ]);
  await eventually('five runs', () => seen.runs >= 5);
  expect(seen.mostAtOnce).toBe(1);
  const { lastRun } = await view('counting');
  expect(lastRun).toMatchObject({ dryRun: false, counts: { due: 7, done: 3 } });
  expect(lastRun).not.toHaveProperty('by');
});

test('a sweep that ticks in each process goes on while another process is stuck in its run', async () => {
  const { replica, control, view } = await openBench();
  const { sweep, seen } = countingSweep({ everyMs: 50 });
  const letGo = new AbortController();
  let isStuck = false;
  const hanging: Sweep = {
    ...sweep,
    inEachProcess: true,
    async run(...given) {
      if (isStuck) return sweep.run(...given);
      isStuck = true;
      await once(letGo.signal, 'abort');
      return {};
    },
  };
  await replica({ counting: hanging });
  closers.push(() => letGo.abort());
  await eventually('the run that gets stuck', () => isStuck);
  await replica({ counting: { ...sweep, inEachProcess: true } });
  await eventually('runs of the other process', () => seen.runs >= 3);
  expect(seen.mostAtOnce).toBe(1);
  const { lastRun, nextAtMs } = await view('counting');
  expect(nextAtMs).toBe((lastRun?.startedAtMs ?? 0) + 50);
  const { runId } = await control.run('counting', { by: 'somebody', dryRun: true });
  await eventually('the run that was asked for', async () =>
    (await view('counting')).runs.find((entry) => entry.runId === runId),
  );
});

test('the schedule of a release that ticked once for the fleet stays for its processes', async () => {
  const { replica, view } = await openBench();
  const { sweep, seen } = countingSweep(NEVER_BY_ITSELF);
  const old = countingSweep({ everyMs: 50 });
  await replica({ counting: old.sweep });
  const newer = await replica({ counting: { ...sweep, inEachProcess: true } });
  const { lastRun, nextAtMs } = await eventually('a run', async () => {
    const found = await view('counting');
    return found.lastRun && found;
  });
  expect(nextAtMs).toBe((lastRun?.startedAtMs ?? 0) + NEVER_BY_ITSELF.everyMs);
  await newer.close();
  const runs = old.seen.runs + seen.runs;
  await eventually('it goes on ticking', () => old.seen.runs + seen.runs >= runs + 3);
});

test('a pause outlives every process, is shown with who made it, and ends on request', async () => {
  const { replica, control, view } = await openBench();
  const { sweep, seen } = countingSweep({ everyMs: 50 });
  const first = await replica({ counting: sweep });
  await eventually('a run', () => seen.runs > 0);
  await control.pause('counting', 'a person');
  await first.close();
  const before = seen.runs;
  await replica({ counting: sweep });
  const { paused } = await view('counting');
  expect(paused).toMatchObject({ by: 'a person' });
  const { nextAtMs = 0 } = await view('counting');
  await eventually('ticks that pass', async () => ((await view('counting')).nextAtMs ?? 0) > nextAtMs + 100);
  expect(seen.runs).toBe(before);
  await control.resume('counting');
  await eventually('it goes on', () => seen.runs > before);
  expect(await view('counting')).not.toHaveProperty('paused');
});

test('a run that is asked for happens while the sweep is paused, and its counts are found by its id', async () => {
  const { replica, control, view } = await openBench();
  const { sweep, seen } = countingSweep(NEVER_BY_ITSELF);
  await replica({ counting: sweep });
  await eventually('the first tick, which comes at once', () => seen.runs === 1);
  await control.pause('counting', 'a person');
  const { runId } = await control.run('counting', { by: 'somebody', dryRun: false });
  const run = await eventually('the run', async () =>
    (await view('counting')).runs.find((entry) => entry.runId === runId),
  );
  expect(run).toMatchObject({ by: 'somebody', dryRun: false, counts: { done: 3 } });
});

test('a dry run says so to the sweep and in the list', async () => {
  const { replica, control, view } = await openBench();
  const { sweep, seen } = countingSweep(NEVER_BY_ITSELF);
  await replica({ counting: sweep });
  const { runId } = await control.run('counting', { by: 'somebody', dryRun: true });
  const run = await eventually('the run', async () =>
    (await view('counting')).runs.find((entry) => entry.runId === runId),
  );
  expect(run).toMatchObject({ dryRun: true, counts: { due: 7, done: 0 } });
  expect(seen.dryRuns).toBe(1);
});

test('a run that fails is in the list with its reason, and the next one comes', async () => {
  const { replica, view } = await openBench();
  let runs = 0;
  const sweep: Sweep = {
    description: 'Fails once.',
    schedule: { everyMs: 100 },
    run() {
      runs += 1;
      return runs === 1 ? Promise.reject(new Error('the first time')) : Promise.resolve({ done: 1 });
    },
  };
  await replica({ failing: sweep });
  await eventually('a run after it', async () => (await view('failing')).lastRun?.counts.done === 1);
  expect((await view('failing')).runs.map(({ error }) => error)).toContain('the first time');
});

test.each([
  ['ahead of', 60_000],
  ['behind', -60_000],
])(
  'a host whose clock is a minute %s that of Redis takes nothing away by it, and says so',
  async (off, byMs) => {
    const { replica, control, view } = await openBench();
    const { sweep, seen } = countingSweep({ everyMs: 50 });
    // Redis tells whole seconds here: a second more is a minute for sure.
    const hostNowMs = () => Date.now() + byMs + Math.sign(byMs) * 1_000;
    await replica({ ending: { ...sweep, goesByTheClock: true } }, hostNowMs);
    await eventually('it says why', async () =>
      (await view('ending')).lastRun?.error?.includes(`${off} Redis's`),
    );
    const { runId } = await control.run('ending', { by: 'somebody', dryRun: true });
    await eventually('what would be done can be seen', async () =>
      (await view('ending')).runs.some((run) => run.runId === runId && run.error === undefined),
    );
    expect(seen).toMatchObject({ runs: 1, dryRuns: 1 });

    await replica({ ending: { ...sweep, goesByTheClock: true } });
    await eventually('another host carries it out', () => seen.runs > 1);
  },
);

test('a cron pattern is read in the time zone of the deployment, and jitter delays no run that is asked for', async () => {
  const { replica, control, view } = await openBench();
  const { sweep, seen } = countingSweep({ cron: '30 3 * * *' });
  await replica({ nightly: { ...sweep, jitterMs: 24 * 60 * 60_000 } });
  const { schedule, nextAtMs = 0 } = await view('nightly');
  expect(schedule).toEqual({ cron: '30 3 * * *', timeZone: 'Europe/Berlin' });
  const inBerlin = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', timeStyle: 'short' });
  expect(inBerlin.format(nextAtMs)).toBe('03:30');
  await control.run('nightly', { by: 'somebody', dryRun: false });
  await eventually('the run', () => seen.runs === 1);
});

test('refuses what no worker announced, and to pause what must not be paused', async () => {
  const { replica, control } = await openBench();
  const { sweep } = countingSweep(NEVER_BY_ITSELF);
  await replica({ vital: { ...sweep, mayPause: false } });
  await expect(control.run('nothing', { by: 'x', dryRun: false })).rejects.toMatchObject({
    code: 'not_found',
  });
  await expect(control.pause('vital', 'x')).rejects.toMatchObject({ code: 'wrong_state' });
});
