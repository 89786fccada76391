import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EmittedEventName, LifecycleEvents } from '../../src/core/events.ts';
import { type EpisodeCounts, NO_EPISODES } from '../../src/core/idle-episode.ts';
import type { LedgerAccount } from '../../src/core/ledger.ts';
import type { Operation } from '../../src/core/operation.ts';
import { createMetricsRoutes } from '../../src/dashboard/metrics/metrics-routes.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { createQueues, type Queues } from '../../src/queues/queues.ts';
import { bill } from '../../src/store/billing.ts';
import { emit } from '../../src/store/events.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { account, nodeAccount } from '../ledger/ledger-case.ts';
import { log } from '../support/log.ts';
import { startTestRedis } from '../support/redis.ts';
import { startBench, type WebhookBench } from '../support/webhook.ts';

let bench: WebhookBench;
let queues: Queues;

beforeEach(async () => {
  bench = await startBench();
  queues = createQueues(bench.store.redis, bench.store.keys);
});
afterEach(async () => {
  await queues.close();
  await bench.close();
});

/** A process of its own that was started just now: nothing is remembered from scrape to scrape. */
async function scrape(store: Store = bench.store, from: Queues = queues): Promise<string> {
  const routes = createMetricsRoutes({ store, queues: from, log, nowMs: Date.now });
  const response = await routes.request('/metrics');
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/plain');
  return response.text();
}

/** The value of a series, with its labels as text; `undefined` when it is not there. */
function valueIn(text: string, series: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

async function happen<N extends EmittedEventName>(name: N, event: LifecycleEvents[N]): Promise<void> {
  const transaction = bench.store.begin();
  emit(transaction, bench.store.keys, name, Date.now(), event);
  await transaction.commit();
}

const ids = { sandboxId: 'sbx-1', operationId: 'op-1' };
const settled = (kind: 'start' | 'pause', provider: 'pve-vm' | 'morph', durationMs: number) =>
  happen('operation.settled', {
    ...ids,
    kind,
    state: 'succeeded',
    provider,
    lastAttempt: 'succeeded',
    durationMs,
  });
const failedOnProxmox = () =>
  happen('attempt.failed', {
    ...ids,
    attempt: 1,
    provider: 'pve-vm',
    outcome: 'failed',
    kind: 'unreachable',
    message: 'connect ECONNREFUSED "10.0.0.7"\n',
    followedBy: 'attempt 2 on morph',
  });

test('after a known history the values are right, whichever process is asked', async () => {
  await settled('start', 'pve-vm', 4_000);
  await settled('start', 'pve-vm', 6_500);
  await failedOnProxmox();
  await settled('start', 'morph', 1_000);
  await settled('pause', 'pve-vm', 7_000);
  const running = await bench.create();
  await bench.move(running, 'requested', 'starting');
  const ended = await bench.create();
  await bench.move(ended, 'requested', 'failed');
  await bench.create();

  for (const text of [await scrape(), await scrape()]) {
    const duration = (part: string, le = '') =>
      valueIn(text, `lifecycle_operation_duration_seconds_${part}{kind="start",provider="pve-vm"${le}}`);
    expect(duration('count')).toBe(2);
    expect(duration('sum')).toBe(10.5);
    expect(duration('bucket', ',le="3"')).toBe(0);
    expect(duration('bucket', ',le="5"')).toBe(1);
    expect(duration('bucket', ',le="7.5"')).toBe(2);
    expect(duration('bucket', ',le="+Inf"')).toBe(2);
    const attempts = (provider: string, outcome: string, kind: string) =>
      valueIn(
        text,
        `lifecycle_attempts_total{provider="${provider}",outcome="${outcome}",failure_kind="${kind}"}`,
      );
    expect(attempts('pve-vm', 'succeeded', 'none')).toBe(3);
    expect(attempts('pve-vm', 'failed', 'unreachable')).toBe(1);
    expect(attempts('morph', 'succeeded', 'none')).toBe(1);
    expect(valueIn(text, 'lifecycle_operations_total{kind="start",outcome="succeeded"}')).toBe(3);
    expect(valueIn(text, 'lifecycle_sandboxes{state="starting",provider="none"}')).toBe(1);
    expect(valueIn(text, 'lifecycle_sandboxes{state="requested",provider="none"}')).toBe(1);
    expect(text).not.toContain('state="failed",provider="none"}');
    expect(valueIn(text, 'lifecycle_store_up')).toBe(1);
    expect(text).not.toContain('sbx-');
    expect(text).not.toContain('ECONNREFUSED');
  }
});

test('active alerts are counted by name, and nought is said of the others', async () => {
  const locked = { name: 'template.locked', message: 'locked' } as const;
  const series = 'lifecycle_alerts_active{name="template.locked"}';
  expect(valueIn(await scrape(), series)).toBe(0);
  await bench.store.alerts.raise({ ...locked, subject: '9100' }, Date.now());
  await bench.store.alerts.raise({ ...locked, subject: '9101' }, Date.now());
  expect(valueIn(await scrape(), series)).toBe(2);
});

test('a running sandbox is counted with the provider it is on', async () => {
  const id = await bench.create();
  const placement = {
    provider: 'morph',
    guestId: 'g',
    nativeId: 'n',
    hostname: 'h',
    endpoints: [],
    simulated: true,
  };
  await bench.store.redis.hset(bench.store.keys.sandbox(id), 'placement', JSON.stringify(placement));
  await bench.move(id, 'starting', 'running');
  expect(valueIn(await scrape(), 'lifecycle_sandboxes{state="running",provider="morph"}')).toBe(1);
  await bench.move(id, 'running', 'paused');
  const text = await scrape();
  expect(valueIn(text, 'lifecycle_sandboxes{state="running",provider="morph"}')).toBe(0);
  expect(valueIn(text, 'lifecycle_sandboxes{state="paused",provider="morph"}')).toBe(1);
});

test('queues, providers, capacity and the webhook are shown as they are', async () => {
  const operation = (kind: Operation['kind'], id: string) => ({ id, kind, sandboxId: 'sbx-1' }) as Operation;
  await queues.addAttempt(operation('pause', 'op-old'), 1, 'pve-vm', 0);
  const old = await queues.byProvider.get('pve-vm')?.getJob('op-old-a1');
  const jobKey = `${bench.store.keys.tag}:sandbox-pve-vm:${old?.id}`;
  await bench.store.redis.hset(jobKey, 'timestamp', Date.now() - 90_000);
  await queues.addAttempt(operation('resume', 'op-new'), 1, 'pve-vm', 0);
  await queues.addAttempt(operation('resume', 'op-later'), 1, 'pve-vm', 60_000);
  const common = {
    preservesRam: true,
    failureDomain: 'x',
    simulated: true,
    detail: '',
    publishedAtMs: Date.now(),
  };
  await bench.store.deployment.publishSettings({
    routing: { primary: 'pve-vm', fallbacks: [], byWorkload: {} },
    presets: [],
    startDeadlineMs: 1,
  });
  await bench.store.deployment.publishStatus({
    ...common,
    provider: 'pve-vm',
    healthy: false,
    overCapacity: 'pve1 is full',
    capacity: {
      nodes: [
        { node: 'pve1', online: true, cordoned: false, memoryMib: 1_024, usedMib: 512, reservedMib: 128 },
      ],
      storages: [{ node: 'pve1', storage: 'local "lvm"', totalMib: 10, usedMib: 4 }],
    },
  });
  await bench.store.breakers.record(
    common.failureDomain,
    { result: 'failed', cause: 'quota', counts: 'in_both', reason: 'unpaid', beganAtMs: Date.now() },
    Date.now(),
  );
  await bench.store.webhook.announce(Date.now() + 60_000);
  await bench.create();

  const text = await scrape();
  expect(valueIn(text, 'lifecycle_queue_jobs{provider="pve-vm",state="waiting"}')).toBe(2);
  expect(valueIn(text, 'lifecycle_queue_jobs{provider="pve-vm",state="delayed"}')).toBe(1);
  expect(valueIn(text, 'lifecycle_queue_oldest_waiting_seconds{provider="pve-vm"}')).toBeCloseTo(90, -1);
  expect(valueIn(text, 'lifecycle_queue_oldest_waiting_seconds{provider="morph"}')).toBe(0);
  expect(valueIn(text, 'lifecycle_provider_healthy{provider="pve-vm"}')).toBe(0);
  expect(valueIn(text, 'lifecycle_provider_breaker_open{provider="pve-vm"}')).toBe(1);
  expect(valueIn(text, 'lifecycle_provider_full{provider="pve-vm"}')).toBe(1);
  const node = (what: string) =>
    valueIn(text, `lifecycle_node_memory_bytes{provider="pve-vm",node="pve1",what="${what}"}`);
  expect([node('total'), node('used'), node('reserved')]).toEqual([1_073_741_824, 536_870_912, 134_217_728]);
  const storage =
    'lifecycle_storage_bytes{provider="pve-vm",node="pve1",storage="local \\"lvm\\"",what="used"}';
  expect(valueIn(text, storage)).toBe(4_194_304);
  expect(valueIn(text, 'lifecycle_webhook_backlog')).toBe(1);
  expect(valueIn(text, 'lifecycle_webhook_events_total{outcome="delivered"}')).toBe(0);
});

test('money is shown by provider and node: what is spent now, and since the month began', async () => {
  const { store } = bench;
  const nowMs = Date.UTC(2026, 10, 11);
  const hour = 3_600_000;
  await store.costs.publishPrices({
    asOf: '2026-09-28',
    sources: [],
    morph: [
      {
        from: '2025-01-01',
        usdPerMcuHour: '0.05',
        mcuMemoryMib: 4_096,
        mcuDiskGib: 16,
        usdPerStoredGibHour: '0.00001',
      },
    ],
    nodes: [{ node: 'pve1', from: '2025-01-01', usdPerMonth: '60', memoryMib: 65_536, sharedMib: 4_096 }],
  });
  const tell = async (of: LedgerAccount, state: 'running' | 'ended', atMs: number) => {
    const transaction = store.begin();
    bill(transaction, store.keys, of, { state, atMs, evidence: 'clock' });
    await transaction.commit();
  };
  await tell(account(), 'running', nowMs - 10 * hour);
  await tell(account({ guestId: 'morph-00000002', meantFor: 'pve-vm' }), 'running', nowMs - 6 * hour);
  await tell(account({ guestId: 'morph-00000002', meantFor: 'pve-vm' }), 'ended', nowMs - hour);
  await store.costLines.tell(
    { id: 'ai-1', line: 'ai', microUsd: 3_000_000, day: nowMs / 86_400_000 - 1 },
    nowMs,
  );
  await tell(nodeAccount(), 'running', nowMs - 24 * hour);
  await tell(nodeAccount({ guestId: 'pvevm-00000002' }), 'running', nowMs - 24 * hour);
  await tell(nodeAccount({ guestId: 'pvevm-00000002' }), 'ended', nowMs);

  const routes = createMetricsRoutes({ store, queues, log, nowMs: () => nowMs });
  const text = await (await routes.request('/metrics')).text();
  const usd = (series: string) => valueIn(text, `lifecycle_${series}`);
  // Morph: 4 MCU at $0.05. The node costs $2 a day; an eighth of it is one guest's.
  expect(usd('cost_rate_usd_per_hour{provider="morph"}')).toBe(0.2);
  expect(usd('cost_rate_usd_per_hour{provider="pve-vm"}')).toBeCloseTo(2 / 24 / 8, 6);
  expect(usd('cost_rate_usd_per_hour{provider="pve-lxc"}')).toBe(0);
  expect(usd('cost_month_usd{provider="morph"}')).toBe(3);
  expect(usd('fallback_cost_month_usd')).toBe(1);
  expect(usd('cost_month_usd{provider="pve-vm"}')).toBe(0.5);
  // Two at Morph, the node's ten days, and the line of the bill that somebody told.
  expect(usd('cost_month_all_usd')).toBe(3 + 20 + 3);
  const node = (kind: string) => usd(`node_cost_month_usd{node="pve1",kind="${kind}"}`);
  expect([node('allocated'), node('shared'), node('idle')]).toEqual([0.5, 1.25, 18.25]);
  expect(usd('ledger_backlog')).toBe(2);
  expect(text).not.toContain('pvevm-');
});

test('budgets and savings are shown as their sweeps last found them, each with its age', async () => {
  const { store } = bench;
  const nowMs = Date.UTC(2026, 10, 11);
  const routes = createMetricsRoutes({ store, queues, log, nowMs: () => nowMs });
  const ask = async () => (await routes.request('/metrics')).text();
  const before = await ask();
  for (const name of [
    'budget_limit_usd',
    'savings_month_usd',
    'savings_age_seconds',
    'budget_tally_age_seconds',
  ])
    expect(before).not.toMatch(new RegExp(`^lifecycle_${name}`, 'm'));

  const budget = { scope: { of: 'deployment' }, monthlyMicroUsd: 300_000_000, atLimit: 'alert' } as const;
  await store.deployment.publishSettings({
    routing: { primary: 'morph', fallbacks: [], byWorkload: {} },
    presets: [],
    startDeadlineMs: 1,
    budgets: [
      { ...budget, name: 'all' },
      { ...budget, name: 'not tallied yet', monthlyMicroUsd: 1_000_000 },
    ],
  });
  const forecast = { lowerMicroUsd: 200_000_000, expectedMicroUsd: 250_000_000, upperMicroUsd: 310_000_000 };
  await store.budgets.tally({
    month: '2026-11',
    atMs: nowMs - 30_000,
    budgets: [{ name: 'all', spentMicroUsd: 90_500_000, forecast }],
    reservations: [],
  });
  await store.redis.hset(store.keys.budgets.use, 'all|reserved', '1500000');
  const bounds = (lowerMicroUsd: number, upperMicroUsd: number) => ({ lowerMicroUsd, upperMicroUsd });
  const day = (name: string, actualMicroUsd: number) => ({
    day: name,
    actualMicroUsd,
    under: {
      all_on_morph: bounds(30_000_000, 30_000_000),
      no_idle_suspend: bounds(12_000_000, 40_000_000),
      old_rule: bounds(8_000_000, 90_000_000),
    },
    runningMs: 0,
    peakRunning: 0,
  });
  const days = [day('2026-10-31', 1_000_000), day('2026-11-09', 10_000_000), day('2026-11-10', 11_500_000)];
  await store.savings.write(days, nowMs - 90_000);
  // Another scrape: the one before is remembered for a second of the process's own clock.
  const again = createMetricsRoutes({ store, queues, log, nowMs: () => nowMs });
  const text = await (await again.request('/metrics')).text();
  const value = (series: string) => valueIn(text, `lifecycle_${series}`);
  expect(value('budget_limit_usd{budget="all"}')).toBe(300);
  expect(value('budget_limit_usd{budget="not tallied yet"}')).toBe(1);
  expect(value('budget_used_usd{budget="all",part="spent"}')).toBe(90.5);
  expect(value('budget_used_usd{budget="all",part="reserved"}')).toBe(1.5);
  const forecastOf = (reading: string) => value(`budget_forecast_usd{budget="all",reading="${reading}"}`);
  expect(['lower', 'expected', 'upper'].map(forecastOf)).toEqual([200, 250, 310]);
  expect(value('budget_tally_age_seconds')).toBe(30);
  const saved = (policy: string, reading: string) =>
    value(`savings_month_usd{policy="${policy}",reading="${reading}"}`);
  expect([saved('all_on_morph', 'lower'), saved('all_on_morph', 'upper')]).toEqual([38.5, 38.5]);
  expect([saved('old_rule', 'lower'), saved('old_rule', 'upper')]).toEqual([-5.5, 158.5]);
  expect(value('counterfactual_month_usd{policy="no_idle_suspend",reading="upper"}')).toBe(80);
  expect(value('savings_age_seconds')).toBe(90);
});

test('what suspensions were worth is counted by mode and provider, and one that came to nothing never counts down', async () => {
  const { store } = bench;
  const look = (mode: 'shadow' | 'enforce', counts: Partial<EpisodeCounts>) => ({
    sandboxId: 'sbx-idle',
    provider: 'pve-vm' as const,
    plan: {
      ...{ action: 'none' as const, isNew: false, record: {}, mode, lookAgainAtMs: Date.now() },
      counts: { ...NO_EPISODES, ...counts },
    },
  });
  const shadow = look('shadow', { suspended: 1, savedMs: 90_000, usedAgain: 1 });
  const enforced = look('enforce', { suspended: 1, savedMs: 3_000 });
  await store.idle.note([shadow, enforced, enforced, look('enforce', { suspended: -1 })], Date.now());
  const counts = { suspended: 40, savedMs: 0, usedAgain: 1 };
  const gate = { mode: 'shadow' as const, configured: 'enforce' as const, heldBack: 'too little' };
  expect(valueIn(await scrape(), 'lifecycle_idle_regret_ratio{mode="shadow"}')).toBeUndefined();
  await store.idle.publishGate({ ...gate, counts, atMs: Date.now() });

  const text = await scrape();
  const value = (name: string, mode: string) =>
    valueIn(text, `lifecycle_idle_${name}{mode="${mode}",provider="pve-vm"}`);
  expect([value('suspensions_total', 'shadow'), value('suspensions_total', 'enforce')]).toEqual([1, 2]);
  expect(value('suspensions_crossed_total', 'enforce')).toBe(1);
  expect([value('saved_seconds_total', 'shadow'), value('saved_seconds_total', 'enforce')]).toEqual([90, 6]);
  expect(value('regretted_total', 'shadow')).toBe(1);
  expect(valueIn(text, 'lifecycle_idle_regret_ratio{mode="shadow"}')).toBe(0.025);
  expect(valueIn(text, 'lifecycle_idle_mode{mode="shadow"}')).toBe(1);
  expect(valueIn(text, 'lifecycle_idle_mode{mode="enforce"}')).toBe(0);
  expect(valueIn(text, 'lifecycle_idle_held_back')).toBe(1);
  const [today] = await store.idle.days(1, Date.now());
  expect(today?.enforce.suspended).toBe(1);
});

test('what each sweep has yet to look at is shown as its backlog', async () => {
  const { keys, redis } = bench.store;
  await redis.zadd(
    keys.idleDue,
    Date.now() - 1_000,
    'sbx-a',
    Date.now() - 2_000,
    'sbx-b',
    Date.now() + 60_000,
    'sbx-c',
  );
  await redis.zadd(keys.retentionDue, Date.now() - 1_000, 'sbx-d');
  const text = await scrape();
  const due = (sweep: string) => valueIn(text, `lifecycle_sweep_due{sweep="${sweep}"}`);
  expect(['idle-suspend', 'expire', 'retention'].map(due)).toEqual([2, 0, 1]);
});

test('while Redis is away /metrics says so in time, and leaves out what it does not know', async () => {
  const server = await startTestRedis();
  const redis = await connectRedis(server.url, { role: 'worker' });
  const store = createStore(redis, 'test');
  const away = createQueues(redis, store.keys);
  try {
    await Promise.all([...away.byProvider.values()].map((queue) => queue.waitUntilReady()));
    await away.webhook.queue.waitUntilReady();
    await server.stop();
    const text = await scrape(store, away);
    expect(valueIn(text, 'lifecycle_store_up')).toBe(0);
    expect(text).not.toContain('lifecycle_queue_jobs{');
    expect(text).not.toMatch(/^lifecycle_cost_month_all_usd/m);
    expect(valueIn(text, 'process_start_time_seconds')).toBeGreaterThan(0);
  } finally {
    redis.disconnect();
    await away.close().catch(() => undefined);
  }
});

test('promtool of a real Prometheus accepts the text', async (context) => {
  await settled('start', 'pve-vm', 4_000);
  await failedOnProxmox();
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: await scrape(), encoding: 'utf8' });
  if (checked.error) context.skip('promtool is not installed: apt-get install prometheus');
  expect(checked.stderr + checked.stdout).toBe('');
  expect(checked.status).toBe(0);
});
