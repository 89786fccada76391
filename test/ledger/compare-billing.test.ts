/** The ledger against the bill of a simulated Morph, over HTTP: with nothing wrong, and with what is planted. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type BilledDay, chargedDays, differsTooMuch } from '../../src/core/billed.ts';
import { DAY_MS, dayText } from '../../src/core/day.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { createMorphProvider } from '../../src/providers/morph/morph.ts';
import { createMorphHttpClient } from '../../src/providers/morph/morph-api.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { bill } from '../../src/store/billing.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { compareBilling } from '../../src/workers/sweeps/compare-billing.ts';
import { API_KEY, SNAPSHOT, simulate } from '../simulators/support.ts';
import { log } from '../support/log.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { account } from './ledger-case.ts';

const TODAY = Math.floor(Date.now() / DAY_MS);
const NOON = TODAY * DAY_MS + DAY_MS / 2;
const HOUR = 3_600_000;

describe('the days of a bill', () => {
  const hours = (fromMs: number, count: number) =>
    Array.from({ length: count }, (_, index) => ({
      fromMs: fromMs + index * HOUR,
      toMs: fromMs + (index + 1) * HOUR,
      cents: 20,
    }));
  const day = 20_000;

  it('are those that are covered from end to end and were over long enough', () => {
    const parts = hours(day * DAY_MS - 3 * HOUR, 3 + 24 + 5);
    const midnight = (day + 1) * DAY_MS;
    expect(chargedDays(parts, midnight)).toEqual([
      { day, fromMs: day * DAY_MS, toMs: midnight, billedMicroUsd: 4_800_000 },
    ]);
    expect(chargedDays(parts, midnight - 1)).toEqual([]);
  });

  it('take parts that do not begin at midnight by their beginning', () => {
    const parts = hours(day * DAY_MS - 0.5 * HOUR, 26);
    const [only, ...others] = chargedDays(parts, Number.MAX_SAFE_INTEGER);
    expect(only).toMatchObject({ day, fromMs: day * DAY_MS + 0.5 * HOUR, billedMicroUsd: 4_800_000 });
    expect(others).toEqual([]);
    expect(chargedDays(hours(day * DAY_MS + HOUR, 24), Number.MAX_SAFE_INTEGER)).toEqual([]);
  });

  it('differ too much only beyond the share and the amount', () => {
    const bound = { share: 0.05, microUsd: 1_000_000 };
    const differ = (billedMicroUsd: number, ledgerMicroUsd: number) =>
      differsTooMuch(
        {
          billedMicroUsd,
          ledgerMicroUsd,
          differenceMicroUsd: billedMicroUsd - ledgerMicroUsd,
        } as BilledDay,
        bound,
      );
    expect(differ(1_000_000, 0)).toBe(false);
    expect(differ(1_000_001, 0)).toBe(true);
    expect(differ(0, 1_000_001)).toBe(true);
    expect(differ(100_000_000, 95_000_000)).toBe(false);
    expect(differ(100_000_000, 94_999_999)).toBe(true);
  });
});

describe('the sweep compare-billing', () => {
  let connection: Store['redis'];
  let store: Store;

  beforeAll(async () => {
    connection = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  });
  afterAll(() => connection.disconnect());
  beforeEach(() => {
    store = createStore(connection, randomPrefix());
  });

  /** A Morph on which one instance has been running for nearly four days, and a ledger that knows of it. */
  async function fourDays() {
    let nowMs = NOON - 4 * DAY_MS + HOUR;
    const { morph, morphApi } = await simulate({}, { nowMs: () => nowMs });
    const { id } = (await morphApi.call('POST', `/instance?snapshot_id=${SNAPSHOT.id}`)).body;
    const transaction = store.begin();
    const of = account({ guestId: id });
    bill(transaction, store.keys, of, { state: 'running', atMs: nowMs, evidence: 'provider' });
    await transaction.commit();
    nowMs = NOON;
    const http = createMorphHttpClient({ apiKey: API_KEY, baseUrl: morph.url, maxConnections: 1 });
    const provider = createMorphProvider({ http }, { failureDomain: 'morph', simulated: true });
    return { morph, provider };
  }

  function compare(providers: readonly Pick<Provider, 'name' | 'billed'>[], dryRun = false) {
    const deps = { store, providers, nowMs: () => NOON, log };
    return compareBilling(deps, { dryRun, signal: new AbortController().signal });
  }
  const costs = (teamId?: string) =>
    store.costs.read({
      fromMs: NOON - 10 * DAY_MS,
      toMs: NOON,
      nowMs: NOON,
      groupBy: ['provider'],
      limit: 10,
      ...(teamId === undefined ? {} : { teamId }),
    });
  const alerts = async () => (await store.alerts.active()).map(({ name, subject }) => `${name} ${subject}`);

  it('finds the bill and the ledger the same, to the cent, and keeps both day by day', async () => {
    const { provider } = await fourDays();
    // The day on which it began is covered too: an account is charged nothing before.
    expect(await compare([provider])).toEqual({ looked: 1, compared: 4, differing: 0, failed: 0 });
    const { billed } = await costs();
    expect(billed.map(({ day }) => day)).toEqual([4, 3, 2, 1].map((ago) => dayText(TODAY - ago)));
    expect(billed.map(({ billedMicroUsd }) => billedMicroUsd)).toEqual([
      2_200_000, 4_800_000, 4_800_000, 4_800_000,
    ]);
    expect(billed.every(({ differenceMicroUsd }) => Math.abs(differenceMicroUsd) < 10_000)).toBe(true);
    expect(await alerts()).toEqual([]);
  });

  it('raises an alert while a bill differs, and tells the difference to nobody of a team', async () => {
    const { morph, provider } = await fourDays();
    morph.operator.setBilledPercent(150);
    expect(await compare([provider], true)).toMatchObject({ differing: 4 });
    expect(await alerts()).toEqual([]);
    expect((await costs()).billed).toEqual([]);

    expect(await compare([provider])).toMatchObject({ compared: 4, differing: 4 });
    expect(await alerts()).toEqual(['billing.differs morph']);
    expect((await costs()).billed.at(-1)?.differenceMicroUsd).toBe(2_400_000);
    expect((await costs('team-a')).billed).toEqual([]);

    morph.operator.setBilledPercent(100);
    await compare([provider]);
    expect(await alerts()).toEqual([]);
    expect((await costs()).billed).toHaveLength(4);
    expect((await costs()).billed.at(-1)?.differenceMicroUsd).toBe(0);
  });

  it('tells of guests that the ledger does not know', async () => {
    const { provider } = await fourDays();
    await store.redis.del(store.keys.ledger.open);
    expect(await compare([provider])).toMatchObject({ differing: 4 });
    expect((await costs()).billed.map(({ ledgerMicroUsd }) => ledgerMicroUsd)).toEqual([0, 0, 0, 0]);
  });

  it('leaves alone who tells no bill, and an alert as it is while the provider does not answer', async () => {
    expect(await compare([{ name: 'pve-vm' }])).toEqual({ looked: 0, compared: 0, differing: 0, failed: 0 });
    const { morph, provider } = await fourDays();
    morph.operator.setBilledPercent(150);
    await compare([provider]);
    await morph.setDown(true);
    expect(await compare([provider])).toEqual({ looked: 1, compared: 0, differing: 0, failed: 1 });
    expect(await alerts()).toEqual(['billing.differs morph']);
  });
});
