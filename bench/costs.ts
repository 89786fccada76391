/** What asking for the costs of a month takes over HTTP, on a ledger of a million intervals. */
import { Hono } from 'hono';
import { pino } from 'pino';
import { DAY_MS } from '../src/core/day.ts';
import type { LedgerAccount, LedgerEntry } from '../src/core/ledger.ts';
import { startHttpServer } from '../src/dashboard/http-server.ts';
import { PUBLISHED_PRICES } from '../src/platform/price-book-file.ts';
import { connectRedis } from '../src/platform/redis.ts';
import type { AccessEnv } from '../src/producers/access/access-env.ts';
import { serveRoutes } from '../src/producers/http/app.ts';
import { costRoutes } from '../src/producers/http/costs.ts';
import { createLifecycleService } from '../src/producers/lifecycle-service.ts';
import { createQueues } from '../src/queues/queues.ts';
import { createSubmitter } from '../src/queues/submit-operation.ts';
import { createStore, type Store } from '../src/store/store.ts';
import { startOwnRedis } from './own-redis.ts';
import { percentile } from './statistics.ts';

const INTERVALS = 1_000_000;
const DAYS = 30;
/** Of one guest: made, run, paused, run, paused, run, each twenty minutes. */
const STATES = ['stored', 'running', 'paused', 'running', 'paused', 'running'] as const;
const INTERVAL_MS = 20 * 60_000;
const GUESTS = Math.ceil(INTERVALS / STATES.length);
const TEAMS = 5;
const USERS_PER_TEAM = 10;
const PRESETS = 2;
const NODES = 4;
/** Entries at a time: some 4 MB of memory here. */
const BATCH = 2_000;
const ROUNDS = 40;
/** Enough that the first ones, while the process still compiles what it runs, are a part and not most of the p95. */
const ROUNDS_OF_MONTH = 200;

/** A month of 30 days and noon of its last day, so that the last one is under way. */
const MONTH_MS = Date.UTC(2026, 8, 1);
const NOW_MS = MONTH_MS + DAYS * DAY_MS - DAY_MS / 2;

export async function benchCosts(): Promise<Readonly<Record<string, number>>> {
  const redis = await startOwnRedis();
  const connection = await connectRedis(redis.url, { role: 'worker' });
  try {
    const store = createStore(connection, 'bench');
    await store.costs.publishPrices(prices());
    const before = await usedMemory(store);
    await fill(store);
    const bytes = (await usedMemory(store)) - before;
    return { ...(await ask(store)), redisBytesPerInterval: Math.round(bytes / INTERVALS) };
  } finally {
    connection.disconnect();
    await redis.stop();
  }
}

function prices() {
  const node = { from: '2026-01-01', usdPerMonth: '60', memoryMib: 1_048_576, sharedMib: 8_192 };
  const nodes = Array.from({ length: NODES }, (_, index) => ({ node: `pve${index}`, ...node }));
  return { ...PUBLISHED_PRICES, nodes };
}

async function usedMemory({ redis }: Store): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
}

async function fill(store: Store): Promise<void> {
  const writer = await store.ledger.becomeWriter();
  if (writer === undefined) throw new Error('a Redis of its own has no other writer');
  let batch: LedgerEntry[] = [];
  for (let guest = 0; guest < GUESTS; guest += 1) {
    batch.push(...lifeOf(guest));
    if (batch.length < BATCH && guest < GUESTS - 1) continue;
    await writer.restore(batch, NOW_MS);
    batch = [];
  }
  await writer.release();
}

/** Guests begin evenly over the month; a third of them are on Morph. */
function lifeOf(index: number): readonly LedgerEntry[] {
  const lifeMs = STATES.length * INTERVAL_MS;
  const startMs = MONTH_MS + Math.floor(((NOW_MS - MONTH_MS - lifeMs) * index) / GUESTS);
  const account = accountOf(index);
  return STATES.map((state, position) => ({
    account,
    state: account.provider === 'morph' && state === 'stored' ? 'running' : state,
    fromMs: startMs + position * INTERVAL_MS,
    fromEvidence: 'clock',
    toMs: startMs + (position + 1) * INTERVAL_MS,
    toEvidence: 'clock',
  }));
}

function accountOf(index: number): LedgerAccount {
  const provider = (['pve-vm', 'pve-lxc', 'morph'] as const)[index % 3] ?? 'morph';
  const user = Math.floor(index / 3) % (TEAMS * USERS_PER_TEAM);
  const id = index.toString(16).padStart(8, '0');
  return {
    guestId: `${provider.replace('-', '')}-${id}`,
    sandboxId: `sbx_${id}`,
    provider,
    failureDomain: provider === 'morph' ? 'morph' : 'pve',
    ...(provider === 'morph' ? {} : { node: `pve${index % NODES}` }),
    teamId: `team-${user % TEAMS}`,
    userId: `user-${user}`,
    preset: `preset-${index % PRESETS}`,
    size: { vcpus: 4, memoryMib: 8_192, diskGib: 32 },
  };
}

async function ask(store: Store): Promise<Readonly<Record<string, number>>> {
  const queues = createQueues(store.redis, store.keys);
  const nowMs = () => NOW_MS;
  const submitter = createSubmitter({ store, queues, nowMs });
  const service = createLifecycleService({ store, submitter, nowMs });
  const app = new Hono<AccessEnv>();
  app.use((context, next) => {
    context.set('principal', { name: 'bench', role: 'viewer' });
    return next();
  });
  app.route('/', serveRoutes(costRoutes(service), pino({ level: 'silent' })));
  const http = await startHttpServer(app, { host: '127.0.0.1', port: 0 });
  const time = async (query: string, rounds = ROUNDS) => {
    const tookMs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const startedAtMs = performance.now();
      const reply = await fetch(`${http.url}/v1/costs?${query}`);
      await reply.arrayBuffer();
      if (reply.status !== 200) throw new Error(`${query}: ${reply.status}`);
      tookMs.push(performance.now() - startedAtMs);
    }
    return tookMs;
  };
  const p = (tookMs: readonly number[], share: number) => Math.round(percentile(tookMs, share));
  const iso = (ms: number) => new Date(ms).toISOString();
  const parts = `from=${iso(MONTH_MS + DAY_MS / 3)}&to=${iso(NOW_MS - DAY_MS / 5)}`;
  try {
    const [first = 0] = await time('', 1);
    const month = await time('', ROUNDS_OF_MONTH);
    const cpuBefore = process.cpuUsage();
    await time('');
    const { user, system } = process.cpuUsage(cpuBefore);
    const byTeamAndDay = await time('groupBy=team,day&limit=1000');
    const [firstOfParts = 0] = await time(parts, 1);
    const partsBefore = process.cpuUsage();
    const partsOfDays = await time(parts);
    const ofParts = process.cpuUsage(partsBefore);
    const [firstBySandbox = 0] = await time('groupBy=sandbox', 1);
    const sandboxBefore = process.cpuUsage();
    const bySandbox = await time('groupBy=sandbox');
    const ofSandbox = process.cpuUsage(sandboxBefore);
    return {
      costsMonthMsP50: p(month, 0.5),
      costsMonthMsP95: p(month, 0.95),
      costsMonthCpuMs: Math.round((user + system) / 1_000 / ROUNDS),
      costsMonthFirstMs: Math.round(first),
      costsByTeamAndDayMsP95: p(byTeamAndDay, 0.95),
      costsPartsOfDaysMsP50: p(partsOfDays, 0.5),
      costsPartsOfDaysMsP95: p(partsOfDays, 0.95),
      costsPartsOfDaysCpuMs: Math.round((ofParts.user + ofParts.system) / 1_000 / ROUNDS),
      costsPartsOfDaysFirstMs: Math.round(firstOfParts),
      costsBySandboxMsP50: p(bySandbox, 0.5),
      costsBySandboxMsP95: p(bySandbox, 0.95),
      costsBySandboxCpuMs: Math.round((ofSandbox.user + ofSandbox.system) / 1_000 / ROUNDS),
      costsBySandboxFirstMs: Math.round(firstBySandbox),
    };
  } finally {
    await http.close();
    await queues.close();
  }
}
