/** The breaker in a whole system: what opens it, where starts go then, and how it closes by itself. */
import { afterEach, expect, test } from 'vitest';
import { FAILURES_TO_OPEN } from '../../src/core/breaker.ts';
import type { ProviderName } from '../../src/core/provider-name.ts';
import { eventually } from '../support/eventually.ts';
import {
  FAST_RECOVERY,
  PRESET,
  startTestSystem,
  type TestSystem,
  type TestSystemOptions,
} from '../support/system.ts';

let running: TestSystem | undefined;
/** How far the clock of decisions is ahead. */
let aheadMs = 0;
afterEach(async () => {
  await running?.close();
  running = undefined;
  aheadMs = 0;
});

async function start(options: TestSystemOptions = {}): Promise<TestSystem> {
  running = await startTestSystem({
    nowMs: () => Date.now() + aheadMs,
    recovery: { ...FAST_RECOVERY, statusEveryMs: 100 },
    ...options,
  });
  return running;
}

const breakerOf = async ({ system }: TestSystem, provider: ProviderName) =>
  (await system.store.deployment.view())?.statuses.find((status) => status.provider === provider);
/** But for the one about all that fell back, which the sweeps raise when they happen to look. */
const activeAlerts = async ({ system }: TestSystem) =>
  (await system.store.alerts.active())
    .filter(({ name }) => name !== 'starts.fell_back')
    .map(({ name, subject }) => ({ name, subject }));

async function openByOutage(world: TestSystem): Promise<void> {
  await world.simulators.pve.setDown(true);
  for (let starts = 0; starts < FAILURES_TO_OPEN; starts += 1) {
    expect(await world.producer.start({ preset: PRESET })).toMatchObject({ fellBackFrom: ['pve-vm'] });
  }
}

test('with Proxmox off the breaker opens for both of its kinds, with an alert, and starts are sent elsewhere at once', async () => {
  const world = await start();
  await openByOutage(world);
  for (const kind of ['pve-vm', 'pve-lxc'] as const) {
    expect(await breakerOf(world, kind)).toMatchObject({
      breaker: 'open',
      breakerReason: expect.stringContaining('ECONNREFUSED'),
      breakerRetryAtMs: expect.any(Number),
    });
  }
  expect(await breakerOf(world, 'morph')).toMatchObject({ breaker: 'closed' });
  const failureDomain = (await breakerOf(world, 'pve-vm'))?.failureDomain;
  expect(await activeAlerts(world)).toEqual([{ name: 'breaker.opened', subject: failureDomain }]);

  const sandbox = await world.producer.start({ preset: PRESET });
  const { attempts, leftOut } = await world.producer.operation(sandbox.cause);
  expect(attempts).toMatchObject([{ provider: 'morph', outcome: 'succeeded' }]);
  expect(leftOut).toContainEqual({ provider: 'pve-vm', reason: 'its breaker is open: tried last' });

  // The ledger knows what each of them was meant for, whether Proxmox was tried or passed over.
  const open = await world.system.store.ledger.openIntervals();
  expect(open.map(({ account: { provider, meantFor } }) => [provider, meantFor])).toEqual(
    Array.from({ length: FAILURES_TO_OPEN + 1 }, () => ['morph', 'pve-vm']),
  );
});

test('a start with nowhere else to go is sent through an open breaker', async () => {
  const world = await start();
  await openByOutage(world);
  await world.simulators.pve.setDown(false);
  const sandbox = await world.producer.start({ preset: PRESET, allowFallback: false });
  expect(sandbox).toMatchObject({ state: 'running', provider: 'pve-vm' });
  await eventually('it is closed', async () => (await breakerOf(world, 'pve-vm'))?.breaker === 'closed');
});

test('an open breaker closes by itself: the provider is asked, a start is let through, and its guest is usable', async () => {
  const world = await start();
  await openByOutage(world);
  await world.simulators.pve.setDown(false);
  expect(await breakerOf(world, 'pve-vm')).toMatchObject({ breaker: 'open' });
  aheadMs += 60_000;
  await eventually(
    'it is half open',
    async () => (await breakerOf(world, 'pve-vm'))?.breaker === 'half_open',
  );
  // After the leap of the clock the statuses are a minute old; one that is would be tried last.
  await eventually('every provider was heard of since', async () =>
    (await world.producer.providers()).every(({ ageMs }) => ageMs < 30_000),
  );
  expect(await activeAlerts(world)).toHaveLength(1);

  const sandbox = await world.producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ provider: 'pve-vm' });
  await eventually('it is closed', async () => (await breakerOf(world, 'pve-vm'))?.breaker === 'closed');
  await eventually('no alert is left', async () => (await activeAlerts(world)).length === 0);
  const { events } = world.system.store;
  const read = await events.after('0-0', { waitMs: 0, signal: new AbortController().signal });
  const types = read.result === 'events' ? read.events.map(({ type }) => type) : [];
  expect(types.filter((type) => type.startsWith('breaker.'))).toEqual(['breaker.opened', 'breaker.closed']);
});

test('starts that were queued when it opened end unsent and go on, without a guest left behind', async () => {
  const world = await start({ concurrency: { perWorker: 1, perProvider: 1 } });
  await world.simulators.pve.setDown(true);
  const sandboxes = await Promise.all(
    Array.from({ length: FAILURES_TO_OPEN * 3 }, () => world.producer.start({ preset: PRESET })),
  );
  const stories = await Promise.all(sandboxes.map(({ cause }) => world.producer.operation(cause)));
  const first = stories.flatMap(({ attempts }) => attempts.slice(0, 1));
  const unsent = first.filter(({ failure }) => failure?.kind === 'breaker_open');
  expect(unsent.length).toBeGreaterThan(0);
  for (const { failure, guestId } of unsent) {
    expect(failure).toMatchObject({ effect: 'none' });
    expect(guestId).toBeUndefined();
  }
  // What opened it was sent; one more may have been under way.
  expect(first.length - unsent.length).toBeGreaterThanOrEqual(FAILURES_TO_OPEN);
  expect(sandboxes.map(({ provider }) => provider)).toEqual(sandboxes.map(() => 'morph'));
});

test('creates that are accepted and never make a usable guest open it', async () => {
  const world = await start({
    latency: { pve: { cloneMs: 20, startMs: 20, stopMs: 10, destroyMs: 10, servicesMs: 600_000 } },
    timing: { usableTimeoutMs: 200 },
  });
  for (let starts = 0; starts < FAILURES_TO_OPEN; starts += 1) {
    expect(await world.producer.start({ preset: PRESET })).toMatchObject({ provider: 'morph' });
  }
  expect(await breakerOf(world, 'pve-vm')).toMatchObject({ breaker: 'open' });
});

test('a start that fails at both kinds of one Proxmox counts once among those that fail', async () => {
  const world = await start({
    routing: { primary: 'pve-vm', fallbacks: ['pve-lxc', 'morph'], byWorkload: {} },
  });
  await world.simulators.pve.setDown(true);
  const sandbox = await world.producer.start({ preset: PRESET });
  expect(sandbox).toMatchObject({ provider: 'morph', fellBackFrom: ['pve-vm', 'pve-lxc'] });
  const { failureDomain = '' } = (await breakerOf(world, 'pve-vm')) ?? {};
  expect(await world.system.store.breakers.read(failureDomain)).toMatchObject({ window: { failed: 1 } });
});

test('402 opens at once, with an alert of its own', async () => {
  const world = await start({ routing: { primary: 'morph', fallbacks: ['pve-vm'], byWorkload: {} } });
  world.simulators.morph.faults.add({
    method: 'POST',
    path: '/instance$',
    action: { kind: 'error', status: 402, message: 'quota' },
  });
  expect(await world.producer.start({ preset: PRESET })).toMatchObject({ provider: 'pve-vm' });
  expect(await breakerOf(world, 'morph')).toMatchObject({ breaker: 'open' });
  expect(await activeAlerts(world)).toMatchObject([{ name: 'quota.exhausted' }]);
});

test('a 403 falls back and raises an alert, opens nothing, and clears when it works again', async () => {
  const world = await start();
  world.simulators.pve.faults.add({
    method: 'POST',
    path: '/clone$',
    action: { kind: 'error', status: 403, message: 'Permission check failed (/vms/9000, VM.Clone)' },
  });
  for (let starts = 0; starts <= FAILURES_TO_OPEN; starts += 1) {
    expect(await world.producer.start({ preset: PRESET })).toMatchObject({ provider: 'morph' });
  }
  expect(await breakerOf(world, 'pve-vm')).toMatchObject({ breaker: 'closed' });
  const subject = `pve-vm start ${PRESET}`;
  expect(await activeAlerts(world)).toEqual([{ name: 'provider.unauthorized', subject }]);
  world.simulators.pve.faults.clear();
  expect(await world.producer.start({ preset: PRESET })).toMatchObject({ provider: 'pve-vm' });
  await eventually('the alert is cleared', async () => (await activeAlerts(world)).length === 0);
});

test('an open breaker keeps nobody from pausing, resuming and destroying', async () => {
  const world = await start();
  const { id } = await world.producer.start({ preset: PRESET });
  await openByOutage(world);
  await world.simulators.pve.setDown(false);
  expect(await breakerOf(world, 'pve-vm')).toMatchObject({ breaker: 'open' });
  expect(await world.producer.pause(id)).toMatchObject({ state: 'paused' });
  expect(await world.producer.resume(id)).toMatchObject({ state: 'running' });
  expect(await world.producer.destroy(id)).toMatchObject({ state: 'destroyed' });
});
