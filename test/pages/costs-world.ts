/**
 * A month of a small team, told to the ledger the way guests are: every change closes an interval and opens the next.
 * It is as made up as the providers are simulated; the same seed gives the same month.
 */
import { pino } from 'pino';
import type { Budget } from '../../src/core/budget.ts';
import { DAY_MS, dayOf, monthStartMs } from '../../src/core/day.ts';
import type { BillingChange, LedgerAccount } from '../../src/core/ledger.ts';
import type { ProviderName } from '../../src/core/provider-name.ts';
import { type Http, startHttp } from '../../src/main/http.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { LOCAL_PRICES } from '../../src/platform/price-book-file.ts';
import { createTokens } from '../../src/producers/access/tokens.ts';
import { bill } from '../../src/store/billing.ts';
import type { Store } from '../../src/store/store.ts';
import { compareCosts } from '../../src/workers/sweeps/compare-costs.ts';
import { flushLedger } from '../../src/workers/sweeps/flush-ledger.ts';
import { tallyBudgets } from '../../src/workers/sweeps/tally-budgets.ts';
import { startTestSystem, type TestSystem, type TestSystemOptions } from '../support/system.ts';

/** The afternoon of a Friday, three weeks into a month, whatever day the test runs on. */
export const NOW_MS = Date.UTC(2026, 10, 20, 14, 20);
const HOUR_MS = 3_600_000;
/** Enough for a team of ten: some of them work in two sandboxes. */
const STARTS_A_DAY = 9;
/** What `flushLedger` takes at once is bounded; the month is told in parts. */
const FLUSH_EVERY_DAYS = 7;

/** One that holds, one that will not, and one that is spent. */
const BUDGETS: readonly Budget[] = [
  { name: 'everything', scope: { of: 'deployment' }, monthlyMicroUsd: 300_000_000, atLimit: 'alert' },
  {
    name: 'morph',
    scope: { of: 'provider', provider: 'morph' },
    monthlyMicroUsd: 20_000_000,
    atLimit: 'route_away',
  },
  {
    name: 'team blue',
    scope: { of: 'team', teamId: 'blue' },
    monthlyMicroUsd: 10_000_000,
    atLimit: 'stop_admitting',
  },
];

export interface CostsWorld {
  readonly test: TestSystem;
  readonly http: Http;
  readonly tokens: Readonly<Record<'viewer' | 'operator' | 'team', string>>;
  close(): Promise<void>;
}

export async function startCostsWorld(
  options: Pick<TestSystemOptions, 'deployment' | 'redisUrl'> = {},
): Promise<CostsWorld> {
  const test = await startTestSystem({
    ...options,
    budgets: BUDGETS,
    nowMs: () => NOW_MS,
  });
  const { store } = test.system;
  await store.costs.publishPrices(LOCAL_PRICES);
  await tellMonth(store);
  for (const [line, usd] of [['ai', 86.4] as const, ['convex', 25] as const]) {
    const told = { id: line, line, microUsd: usd * 1e6, day: dayOf(NOW_MS) - 1 };
    await store.costLines.tell(told, NOW_MS);
  }
  // The sweep of the system may have seen the month before it was told, and would not look again.
  await store.redis.del(store.keys.savings);
  await compareCosts({ store, nowMs: () => NOW_MS }, { dryRun: false, signal: new AbortController().signal });
  await tallyBudgets({ store, nowMs: () => NOW_MS }, { dryRun: false });
  const http = await startHttp(
    test.system,
    {
      ...loadConfig({}),
      deployment: test.options.deployment,
      http: { host: '127.0.0.1', port: 0, trustProxy: false },
    },
    pino({ level: 'silent' }),
    () => NOW_MS,
  );
  const issuer = createTokens(store.access, Date.now);
  const issue = async (name: string, role: 'viewer' | 'operator', teamId?: string) =>
    (await issuer.create({ name, role, ...(teamId ? { teamId } : {}) }, 'cli')).secret;
  return {
    test,
    http,
    tokens: {
      viewer: await issue('vera', 'viewer'),
      operator: await issue('otto', 'operator'),
      team: await issue('tim', 'operator', 'blue'),
    },
    async close() {
      await http.close();
      await test.close();
    },
  };
}

const TEAMS = ['blue', 'red', 'green'] as const;
const PRESETS = [
  { preset: '4vcpu_8gb_32gb', size: { vcpus: 4, memoryMib: 8_192, diskGib: 32 } },
  { preset: '8vcpu_16gb_64gb', size: { vcpus: 8, memoryMib: 16_384, diskGib: 64 } },
] as const;

async function tellMonth(store: Store): Promise<void> {
  const random = seeded(8);
  const days = Math.floor((NOW_MS - monthStartMs(NOW_MS)) / DAY_MS) + 1;
  for (let day = 0; day < days; day += 1) {
    const midnightMs = monthStartMs(NOW_MS) + day * DAY_MS;
    const weekday = new Date(midnightMs).getUTCDay();
    const starts = weekday === 0 || weekday === 6 ? 2 : STARTS_A_DAY;
    for (let start = 0; start < starts; start += 1)
      await tellSandbox(store, `d${day}s${start}`, midnightMs, random);
    if (day % FLUSH_EVERY_DAYS === 0 || day === days - 1) await flush(store);
  }
}

/** Two stretches of work with a pause between them, then its end; today's may still go on. */
async function tellSandbox(
  store: Store,
  name: string,
  midnightMs: number,
  random: () => number,
): Promise<void> {
  const where = random();
  const provider: ProviderName = where < 0.62 ? 'pve-vm' : where < 0.86 ? 'pve-lxc' : 'morph';
  const { preset, size } = PRESETS[random() < 0.8 ? 0 : 1];
  const account: LedgerAccount = {
    guestId: `${provider}-${name}`,
    sandboxId: `sbx-${name}`,
    provider,
    failureDomain: provider === 'morph' ? 'morph' : 'pve',
    ...(provider === 'morph' ? {} : { node: 'pve1' }),
    teamId: TEAMS[Math.floor(random() ** 2 * TEAMS.length)] ?? 'blue',
    userId: `user-${Math.floor(random() * 10)}`,
    preset,
    size,
    // Every other one at Morph is there because no node took it.
    ...(provider === 'morph' && random() < 0.5 ? { meantFor: 'pve-vm' as const } : {}),
  };
  const startMs = midnightMs + (8 + random() * 6) * HOUR_MS;
  const pausedMs = startMs + (1 + random() * 3) * HOUR_MS;
  const resumedMs = pausedMs + (0.5 + random() * 2) * HOUR_MS;
  const againMs = resumedMs + (1 + random() * 3) * HOUR_MS;
  const steps: readonly (readonly [BillingChange['state'], number])[] = [
    ['running', startMs],
    ['paused', pausedMs],
    ['running', resumedMs],
    ['paused', againMs],
    ['ended', againMs + random() * 2 * DAY_MS],
  ];
  const transaction = store.begin();
  for (const [state, atMs] of steps.filter(([, ms]) => ms <= NOW_MS)) {
    bill(transaction, store.keys, account, { state, atMs: Math.round(atMs), evidence: 'provider' });
  }
  await transaction.commit();
}

async function flush(store: Store): Promise<void> {
  await flushLedger({ store, nowMs: () => NOW_MS } as Parameters<typeof flushLedger>[0], {
    dryRun: false,
    signal: new AbortController().signal,
  });
}

/** Numerical Recipes' linear congruence: good enough for a team's habits. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
