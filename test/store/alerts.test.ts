import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Alert } from '../../src/core/alert.ts';
import { createAlertStore } from '../../src/store/alerts.ts';
import { MAX_ALERTS } from '../../src/store/keys.ts';
import { startWebhookWorker, type WebhookWorker } from '../../src/workers/webhook/webhook-worker.ts';
import { eventually } from '../support/eventually.ts';
import { log } from '../support/log.ts';
import { type Receiver, SECRET, startBench, startReceiver, type WebhookBench } from '../support/webhook.ts';

const LOCKED: Alert = {
  name: 'template.locked',
  subject: '9100 (cmux-base)',
  message: 'locked for 301 s',
  remediation: 'pct unlock 9100',
};
const NOW = 1_800_000_000_000;

let bench: WebhookBench;
let receiver: Receiver | undefined;
let worker: WebhookWorker | undefined;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(async () => {
  await worker?.close();
  worker = undefined;
  await receiver?.close();
  receiver = undefined;
  await bench.close();
});

const eventTypes = async () => {
  const { result, ...read } = await bench.store.events.after('0-0', {
    waitMs: 0,
    signal: new AbortController().signal,
  });
  if (result !== 'events' || !('events' in read)) throw new Error('events were lost');
  return read.events.map(({ type }) => type);
};

test('an alert that ten processes raise at once is new to one of them', async () => {
  const { alerts } = bench.store;
  const answers = await Promise.all(Array.from({ length: 10 }, () => alerts.raise(LOCKED, NOW)));
  expect(answers.filter(Boolean)).toHaveLength(1);
  expect(await alerts.active()).toEqual([{ ...LOCKED, sinceMs: NOW }]);
  expect(await eventTypes()).toEqual(['alert.raised']);
});

test('an alert that is raised again keeps its time and gets the newer message', async () => {
  const { alerts } = bench.store;
  await alerts.raise(LOCKED, NOW);
  expect(await alerts.raise({ ...LOCKED, message: 'locked for 602 s' }, NOW + 301_000)).toBe(false);
  expect(await alerts.active()).toEqual([{ ...LOCKED, message: 'locked for 602 s', sinceMs: NOW }]);
});

test('an alert is cleared once, and is new when it comes back', async () => {
  const { alerts } = bench.store;
  expect(await alerts.clear(LOCKED, NOW)).toBe(false);
  await alerts.raise(LOCKED, NOW);
  expect(await alerts.clear({ ...LOCKED, subject: 'another' }, NOW)).toBe(false);
  expect(await alerts.clear(LOCKED, NOW + 1)).toBe(true);
  expect(await alerts.clear(LOCKED, NOW + 2)).toBe(false);
  expect(await alerts.active()).toEqual([]);
  expect(await alerts.raise(LOCKED, NOW + 3)).toBe(true);
  expect(await eventTypes()).toEqual(['alert.raised', 'alert.cleared', 'alert.raised']);
});

test('alerts are bounded: what comes on top is not kept', async () => {
  const { alerts } = bench.store;
  const subjects = Array.from({ length: MAX_ALERTS + 1 }, (_, index) => `template ${index}`);
  const answers = [];
  for (const subject of subjects) answers.push(await alerts.raise({ ...LOCKED, subject }, NOW));
  expect(answers.filter(Boolean)).toHaveLength(MAX_ALERTS);
  expect(answers.at(-1)).toBe(false);
});

test('each change is told to the process that made it, and to nobody else', async () => {
  const { redis, keys, scripts } = bench.store;
  const told: string[] = [];
  const alerts = createAlertStore({ redis, keys, scripts, onAlert: (change) => told.push(change) });
  await bench.store.alerts.raise(LOCKED, NOW);
  await alerts.raise(LOCKED, NOW);
  await alerts.clear(LOCKED, NOW);
  await alerts.raise(LOCKED, NOW);
  expect(told).toEqual(['cleared', 'raised']);
});

test('the webhook is told of each change in order, signed like every event', async () => {
  receiver = await startReceiver();
  const deps = { store: bench.store, queue: bench.queue, log, nowMs: Date.now };
  const target = { url: receiver.url, secrets: [SECRET] };
  worker = await startWebhookWorker(deps, { target, lockMs: 1_000, stalledCheckMs: 500 });
  await bench.store.alerts.raise(LOCKED, NOW);
  await bench.store.alerts.clear(LOCKED, NOW + 1);
  const { alerts, refused } = receiver;
  await eventually('both arrived', () => alerts.length === 2);
  expect(alerts.map(({ type, sequence, atMs }) => [type, sequence, atMs])).toEqual([
    ['alert.raised', 1, NOW],
    ['alert.cleared', 2, NOW + 1],
  ]);
  expect(alerts[0]).toMatchObject({ id: 'alerts-1', alert: { ...LOCKED, sinceMs: NOW } });
  expect(refused).toEqual([]);
  await eventually('the outbox is empty', async () => (await bench.store.webhook.totals()).backlog === 0);
});
