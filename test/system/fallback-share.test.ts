import { afterEach, expect, test } from 'vitest';
import { watchDeployment } from '../../src/workers/sweeps/watch-deployment.ts';
import { eventually } from '../support/eventually.ts';
import { FAST_RECOVERY, PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let running: TestSystem | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

const WINDOW_MS = 60 * 60_000;

test('a silent 403 that sends starts elsewhere raises an alert, which clears when they are well again', async () => {
  let aheadMs = 0;
  const nowMs = () => Date.now() + aheadMs;
  // The sweep itself stays out of the way: the test looks when it wants to.
  running = await startTestSystem({ nowMs, recovery: { ...FAST_RECOVERY, sweepEveryMs: WINDOW_MS } });
  const { producer, simulators, system } = running;
  const watch = (dryRun = false) =>
    watchDeployment(
      { store: system.store, nowMs, fallbackBound: { share: 0.5, windowMs: WINDOW_MS } },
      { dryRun },
    );
  const fellBack = async () =>
    (await system.store.alerts.active()).find(({ name }) => name === 'starts.fell_back')?.message;
  const counted = async (total: number) =>
    eventually(`${total} starts are counted`, async () => {
      const counts = await system.store.startCounts.within(WINDOW_MS, nowMs());
      return counts.total === total && counts;
    });

  await producer.start({ preset: PRESET });
  simulators.pve.faults.add({
    method: 'POST',
    path: '/clone$',
    action: { kind: 'error', status: 403, message: 'Permission check failed (/vms/9000, VM.Clone)' },
  });
  for (let starts = 0; starts < 4; starts += 1) await producer.start({ preset: PRESET });
  expect(await counted(5)).toEqual({ total: 5, fellBack: 4 });
  expect(await watch(true)).toMatchObject({ raised: 1 });
  expect(await fellBack()).toBeUndefined();
  await watch();
  expect(await fellBack()).toContain('4 of 5 starts of the last 60 min');

  // Wanted there is not fallen back there.
  simulators.pve.faults.clear();
  for (let starts = 0; starts < 4; starts += 1) {
    await producer.start({ preset: PRESET, preferredProvider: 'morph' });
  }
  expect(await counted(9)).toEqual({ total: 9, fellBack: 4 });
  await watch();
  expect(await fellBack()).toBeUndefined();

  aheadMs = 2 * WINDOW_MS;
  expect(await system.store.startCounts.within(WINDOW_MS, nowMs())).toEqual({ total: 0, fellBack: 0 });
});
