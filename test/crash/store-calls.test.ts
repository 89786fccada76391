/**
 * A worker's Redis is cut after every call of the store and of the queues, in every operation: what that call
 * wrote stands, and nothing that was to follow it runs. Which calls there are is recorded first.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProviderName } from '../../src/core/provider-name.ts';
import { startSystem } from '../../src/main/system.ts';
import { startTestSystem, type TestSystem } from '../support/system.ts';
import { type CrashCase, crashWave, expectRest, startWaves } from './crash-waves.ts';
import { startCutWorker } from './cut-worker.ts';
import { type Scenario, scenariosOf } from './scenarios.ts';

const TIME_LIMIT_MS = 290_000;

/** As in steps.test.ts: a busy machine gets a little more time to send than in other tests. */
const RECOVERY = {
  lease: { leaseMs: 1_000, sendDeadlineMs: 700 },
  lockMs: 1_000,
  stalledCheckMs: 500,
  sweepEveryMs: 500,
};
/** Nobody dies while calls are recorded. */
const PATIENT = { ...RECOVERY, lease: { leaseMs: 10_000, sendDeadlineMs: 2_000 }, lockMs: 10_000 };

const PROVIDERS = ['pve-vm', 'morph'] as const satisfies readonly ProviderName[];

/**
 * Who is held may hold a permit, and each takes a scarce one: four boots, two suspends, three destroys at once.
 * Morph has none.
 */
const AT_ONCE: Readonly<Record<string, number>> = { start: 2, pause: 2 };

let recorded: ReadonlyMap<Scenario, readonly string[]> = new Map();
const closers: (() => Promise<void>)[] = [];
beforeAll(async () => {
  recorded = new Map((await Promise.all(PROVIDERS.map(recordCalls))).flat());
}, TIME_LIMIT_MS);
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

test('the calls of every operation are recorded from its claim to the write that settles it', () => {
  for (const [{ name, provider }, calls] of recorded) {
    expect(calls[0], `${name} on ${provider}`).toBe('after claim 1');
    expect(calls, `${name} on ${provider}`).toContain('after transact 1');
  }
});

describe.concurrent('a worker whose Redis is cut after every call', () => {
  test.each(PROVIDERS)(
    'of every operation on %s: what was written is carried on, settled once, nothing left',
    async (provider) => {
      let aheadMs = 0;
      const system = await startCutSystem(RECOVERY, () => Date.now() + aheadMs);
      const waves = await startWaves(system, (mayPass) => startCutWorker(system.options, mayPass));
      closers.push(waves.close);
      for (const wave of planWaves(provider)) await crashWave(system, waves, wave);
      // What may never have been sent is proved absent only after the provider's visibility bound.
      aheadMs = 60_000;
      await expectRest(system, 60_000);
    },
    TIME_LIMIT_MS,
  );
});

async function startCutSystem(recovery: typeof RECOVERY, nowMs: () => number): Promise<TestSystem> {
  const system = await startTestSystem({
    workers: false,
    recovery,
    nowMs,
    timing: { startDeadlineMs: 240_000 },
    // On Morph every case is held at once, and each of a start, pause or discard holds a slot.
    concurrency: { perWorker: 64, perProvider: 64 },
  });
  closers.push(system.close);
  // Sweeps have connections of their own: what they ask is no part of an operation.
  const sweeps = await startSystem({ ...system.options, roles: ['sweeps'] });
  closers.push(sweeps.close);
  return system;
}

/** One after the other, so that nobody waits for a permit, which would be asked for more than once. */
async function recordCalls(
  provider: ProviderName,
): Promise<readonly (readonly [Scenario, readonly string[]])[]> {
  const system = await startCutSystem(PATIENT, Date.now);
  const calls = new Map<string, string[]>();
  const worker = await startCutWorker(system.options, async ({ operationId, point }) => {
    calls.set(operationId, [...(calls.get(operationId) ?? []), point]);
    return true;
  });
  const found: (readonly [Scenario, readonly string[]])[] = [];
  for (const scenario of scenariosOf(provider)) {
    const operation = await scenario.ask(system, await scenario.prepare(system));
    const settled = await system.system.store.settlements.wait(operation, { timeoutMs: 30_000 });
    expect(settled?.operation.state, `${scenario.name} on ${provider}`).toBe('succeeded');
    found.push([scenario, [...(calls.get(operation.id) ?? [])]]);
  }
  await worker.kill();
  return found;
}

function planWaves(provider: ProviderName): readonly (readonly CrashCase[])[] {
  const waves: CrashCase[][] = [];
  for (const [scenario, points] of recorded) {
    if (scenario.provider !== provider) continue;
    const atOnce = provider === 'morph' ? points.length : (AT_ONCE[scenario.name] ?? 1);
    for (const [index, point] of points.entries()) {
      const wave = Math.floor(index / atOnce);
      waves[wave] = [...(waves[wave] ?? []), { scenario, point }];
    }
  }
  return waves;
}
