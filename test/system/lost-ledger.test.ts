/**
 * Redis is emptied, and workers go on for an hour before anybody rebuilds: sweeps meet guests that no record answers
 * for, and flush. The rebuild then brings back, to the micro-dollar, what had been spent by the last flush before.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { DAY_MS } from '../../src/core/day.ts';
import { createProviders } from '../../src/main/providers.ts';
import { rebuild } from '../../src/main/rebuild.ts';
import { replayLedger } from '../../src/main/replay-ledger.ts';
import { type System, startSystem } from '../../src/main/system.ts';
import { createCapacityBook } from '../../src/store/capacity-book.ts';
import { createPermits } from '../../src/store/permits.ts';
import { startTestRedis } from '../support/redis.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { sweepNow } from './reconcile-now.ts';

const HOUR_MS = 3_600_000;
const STEP_MS = 10 * 60_000;

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

let clockMs = 0;

async function openWorld() {
  clockMs = Date.now();
  const folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-lost-ledger-'));
  opened.push(() => rm(folder, { recursive: true, force: true }));
  const redis = await startTestRedis();
  opened.push(redis.stop);
  const world = await startTestSystem({ redisUrl: redis.url, nowMs: () => clockMs, ledgerDir: folder });
  opened.push(world.close);
  return { world, folder };
}

async function goOnFor(system: System, hours: number): Promise<void> {
  for (const untilMs = clockMs + hours * HOUR_MS; clockMs < untilMs; ) {
    clockMs += STEP_MS;
    for (const sweep of ['reconcile-provider', 'flush-ledger']) await sweepNow({ system }, sweep);
  }
}

async function rebuildAll(system: System, world: TestSystem, folder: string): Promise<string> {
  const { store } = system;
  const providers = createProviders(store, world.options.backends, {
    ...world.options,
    installId: await store.deployment.installId(),
    permits: createPermits(store, () => Promise.resolve(true)),
    capacityBook: createCapacityBook(store),
  });
  try {
    const nowMs = () => clockMs;
    const replay = replayLedger(store, { folder, nowMs });
    const deps = { store, providers: providers.all, deployment: world.options.deployment, nowMs, replay };
    const options = { apply: true, installs: [], signal: AbortSignal.timeout(30_000) };
    return (await rebuild(deps, options)).replayed.join('\n');
  } finally {
    await providers.close();
  }
}

function spent({ store }: System, fromMs: number, toMs: number) {
  return store.costs.read({ fromMs, toMs, nowMs: clockMs, groupBy: ['provider', 'state'], limit: 100 });
}

test('what was spent by the last flush is the same after an hour without a registry and a rebuild', async () => {
  const { world, folder } = await openWorld();
  const fromMs = clockMs - DAY_MS;
  for (const preferredProvider of ['pve-vm', 'morph'] as const) {
    await world.producer.start({ preset: PRESET, preferredProvider, allowFallback: false });
  }
  await goOnFor(world.system, 2);
  const flushedAtMs = clockMs;
  const before = await spent(world.system, fromMs, flushedAtMs);
  // 4 MCU for two hours at least.
  const onMorph = before.lines.find(({ group }) => group.provider === 'morph');
  expect(onMorph?.microUsd).toBeGreaterThanOrEqual(400_000);

  await world.system.store.redis.flushall();
  await world.system.close();
  const system = await startSystem(world.options);
  opened.push(system.close);
  await goOnFor(system, 1);
  expect((await system.store.alerts.active()).map(({ name }) => name)).toContain('ledger.behind');

  const said = await rebuildAll(system, world, folder);
  expect(said).toContain(`not known: what began and ended from ${new Date(flushedAtMs).toISOString()}`);
  const { lines, nodes, totalMicroUsd } = await spent(system, fromMs, flushedAtMs);
  expect({ lines, nodes, totalMicroUsd }).toEqual({
    lines: before.lines,
    nodes: before.nodes,
    totalMicroUsd: before.totalMicroUsd,
  });
  await sweepNow({ system }, 'flush-ledger');
  expect((await system.store.alerts.active()).map(({ name }) => name)).not.toContain('ledger.behind');
  // From now on each costs what it did.
  const open = await system.store.ledger.openIntervals();
  expect(open.map(({ state, account }) => [state, account.size.memoryMib > 0])).toEqual([
    ['running', true],
    ['running', true],
  ]);
});
