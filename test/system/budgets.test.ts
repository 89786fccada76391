import { afterEach, describe, expect, test } from 'vitest';
import type { Budget } from '../../src/core/budget.ts';
import { monthText } from '../../src/core/day.ts';
import { LOCAL_PRICES } from '../../src/platform/price-book-file.ts';
import { tallyBudgets } from '../../src/workers/sweeps/tally-budgets.ts';
import { FAST_RECOVERY, PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let running: TestSystem | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

const USD = 1_000_000;
/** Four MCU for an hour. */
const MORPH_SLICE = 0.2 * USD;
const HOUR_MS = 3_600_000;
/** 200 starts take some 15 s, and many times that on a busy machine. */
const MANY_STARTS_MS = 240_000;
/** The middle of a month, so that an hour more is in it too. */
const MID_MONTH_MS = Date.UTC(2026, 10, 15, 12);

function budget(change: Partial<Budget> = {}): Budget {
  return {
    name: 'all',
    scope: { of: 'deployment' },
    monthlyMicroUsd: 50 * MORPH_SLICE,
    atLimit: 'stop_admitting',
    ...change,
  };
}

async function startWith(budgets: readonly Budget[], nowMs = () => MID_MONTH_MS) {
  // Nodes cost their month whatever runs on them; without them only what is started here counts.
  const priceBook = {
    ...LOCAL_PRICES,
    nodes: LOCAL_PRICES.nodes.map((node) => ({ ...node, from: '2026-12-01' })),
  };
  running = await startTestSystem({
    budgets,
    priceBook,
    nowMs,
    // The sweeps stay out of the way: the tests tally when they want to.
    recovery: { ...FAST_RECOVERY, sweepEveryMs: HOUR_MS },
  });
  const { system, producer } = running;
  return {
    ...running,
    tally: (dryRun = false) => tallyBudgets({ store: system.store, nowMs }, { dryRun }),
    use: async () => (await system.store.budgets.read(budgets, monthText(nowMs()))).budgets[0],
    start: (input: Parameters<typeof producer.start>[0] = {}) =>
      producer.start({ preset: PRESET, ...input }, { timeoutMs: MANY_STARTS_MS }),
  };
}

async function startMany(count: number, start: () => Promise<unknown>) {
  const results = await Promise.allSettled(Array.from({ length: count }, start));
  const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
  return { admitted: count - refused.length, refused };
}

describe('200 starts at once against a budget for 50 slices', () => {
  test(
    'admit 50, and say to the others which budget is used up',
    async () => {
      const { start, use } = await startWith([budget()]);
      const { admitted, refused } = await startMany(200, () =>
        start({ preferredProvider: 'morph', allowFallback: false }),
      );
      expect(admitted).toBe(50);
      for (const { message } of refused) expect(message).toContain('budget all');
      expect(await use()).toMatchObject({ spentMicroUsd: 0, reservedMicroUsd: 50 * MORPH_SLICE });
    },
    MANY_STARTS_MS,
  );

  test(
    'do not pass it when all of them fall back to the dearer provider',
    async () => {
      const { start, use, simulators, instances } = await startWith([budget()]);
      const action = { kind: 'error', status: 500, message: 'no space left on the storage' } as const;
      simulators.pve.faults.add({ method: 'POST', path: '/clone$', action });
      const { admitted, refused } = await startMany(200, () => start());
      expect(admitted).toBe(50);
      expect(instances()).toHaveLength(50);
      for (const { message } of refused) expect(message).toContain('morph: budget all');
      expect(await use()).toMatchObject({ reservedMicroUsd: 50 * MORPH_SLICE });
    },
    MANY_STARTS_MS,
  );
});

test('a start that fails gives its slice back', async () => {
  const { start, use, simulators } = await startWith([budget()]);
  simulators.morph.faults.add({
    method: 'POST',
    path: '/instance$',
    action: { kind: 'error', status: 400, message: 'no' },
  });
  const failing = start({ preferredProvider: 'morph', allowFallback: false });
  await expect(failing).rejects.toThrow();
  expect(await use()).toMatchObject({ reservedMicroUsd: 0 });
});

test('what a sandbox uses up of its first hour moves from reserved to spent, and no more is reserved after', async () => {
  let aheadMs = 0;
  const { start, use, tally } = await startWith([budget()], () => MID_MONTH_MS + aheadMs);
  await start({ preferredProvider: 'morph' });
  aheadMs = HOUR_MS / 2;
  expect(await tally()).toMatchObject({ looked: 1, released: 0 });
  const half = await use();
  expect(half?.spentMicroUsd).toBeCloseTo(MORPH_SLICE / 2, -2);
  expect((half?.spentMicroUsd ?? 0) + (half?.reservedMicroUsd ?? 0)).toBeCloseTo(MORPH_SLICE, -2);
  expect(half?.forecast?.expectedMicroUsd).toBeGreaterThan(half?.spentMicroUsd ?? 0);
  aheadMs = 2 * HOUR_MS;
  expect(await tally()).toMatchObject({ released: 1 });
  expect((await use())?.spentMicroUsd).toBeCloseTo(2 * MORPH_SLICE, -2);
  expect(await use()).toMatchObject({ reservedMicroUsd: 0 });
});

test('a used-up budget refuses starts, and neither a resume nor what runs', async () => {
  let aheadMs = 0;
  const nowMs = () => MID_MONTH_MS + aheadMs;
  const { start, tally, producer, system } = await startWith(
    [budget({ monthlyMicroUsd: 2 * MORPH_SLICE })],
    nowMs,
  );
  const { id } = await start({ preferredProvider: 'morph' });
  aheadMs = 3 * HOUR_MS;
  expect(await tally()).toMatchObject({ raised: 4 });
  expect(await tally(), 'each threshold once').toMatchObject({ raised: 0 });
  await expect(start()).rejects.toMatchObject({ code: 'no_provider_available' });
  await producer.pause(id);
  expect(await producer.resume(id)).toMatchObject({ state: 'running' });

  aheadMs = 20 * 24 * HOUR_MS;
  expect(await tally(), 'the next month begins anew').toMatchObject({ cleared: 4 });
  const subjects = (await system.store.alerts.active()).map(({ subject }) => subject);
  for (const subject of subjects) expect(subject).toContain('2026-12');
});

test('a budget that routes away sends starts to the other provider, and says so in the route', async () => {
  const morph = budget({
    scope: { of: 'provider', provider: 'morph' },
    atLimit: 'route_away',
    monthlyMicroUsd: MORPH_SLICE,
  });
  const { start, use } = await startWith([morph]);
  expect(await start({ preferredProvider: 'morph' })).toMatchObject({ provider: 'morph' });
  expect(await start({ preferredProvider: 'morph' })).toMatchObject({ provider: 'pve-vm' });
  expect(await use()).toMatchObject({ reservedMicroUsd: MORPH_SLICE });
});

test('a budget that only alerts refuses nothing, and counts what is reserved', async () => {
  const { start, use } = await startWith([budget({ atLimit: 'alert', monthlyMicroUsd: MORPH_SLICE })]);
  await start({ preferredProvider: 'morph' });
  await start({ preferredProvider: 'morph' });
  expect(await use()).toMatchObject({ reservedMicroUsd: 2 * MORPH_SLICE });
});
