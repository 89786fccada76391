import { describe, expect, it, test } from 'vitest';
import { asUnder } from '../../src/core/counterfactual.ts';
import { DAY_MS, dayOf } from '../../src/core/day.ts';
import { sum, toMicroUsd } from '../../src/core/exact.ts';
import { type LedgerEntry, priceEntry } from '../../src/core/ledger.ts';
import type { UsageRow } from '../../src/core/usage.ts';
import { describeCost } from '../../src/dashboard/cost-line.ts';
import { createCostsReader } from '../../src/dashboard/costs/read-costs.ts';
import { type CostsSnapshot, viewMonth } from '../../src/dashboard/costs/view-costs.ts';
import { account, at, BOOK, nodeAccount } from '../ledger/ledger-case.ts';

const HOUR_MS = 3_600_000;
const NOON = at('2026-11-11T12:00:00Z');

function entry(of: LedgerEntry['account'], state: LedgerEntry['state'], hours: number): LedgerEntry {
  const fromMs = at('2026-11-10');
  return {
    account: of,
    state,
    fromMs,
    fromEvidence: 'clock',
    toMs: fromMs + hours * HOUR_MS,
    toEvidence: 'clock',
  };
}

function rowOf({ account: of, state, fromMs, toMs }: LedgerEntry): UsageRow {
  const { guestId: _guest, sandboxId: _sandbox, ...dimensions } = of;
  return { ...dimensions, state, day: dayOf(fromMs), ms: toMs - fromMs };
}

const ENTRIES = [
  entry(nodeAccount({ teamId: 'red' }), 'running', 10),
  entry(nodeAccount({ teamId: 'red' }), 'stored', 5),
  entry(account(), 'running', 3),
  entry(account(), 'paused', 20),
];

function snapshot(change: Partial<CostsSnapshot> = {}): CostsSnapshot {
  return {
    atMs: NOON,
    book: BOOK,
    rows: ENTRIES.map(rowOf),
    open: [],
    simulated: [],
    budgets: [],
    metered: [],
    ...change,
  };
}

describe('a month', () => {
  it('of one team has that team’s budgets alone', () => {
    const budget = { limitMicroUsd: 1, spentMicroUsd: 0, reservedMicroUsd: 0, atLimit: 'alert' } as const;
    const budgets = [
      { ...budget, name: 'all', scope: { of: 'deployment' } },
      { ...budget, name: 'of red', scope: { of: 'team', teamId: 'red' } },
      { ...budget, name: 'of blue', scope: { of: 'team', teamId: 'blue' } },
    ] as const;
    expect(viewMonth(snapshot({ budgets }), 'red').budgets.map(({ name }) => name)).toEqual(['of red']);
    expect(viewMonth(snapshot({ budgets }), undefined).budgets.length).toBe(3);
  });

  it('costs on Morph alone what the counterfactual of its history costs', () => {
    const moved = ENTRIES.flatMap((each) => asUnder('all_on_morph', [each]).lower);
    const expected = toMicroUsd(sum(moved.map((each) => priceEntry(BOOK, each))));
    expect(viewMonth(snapshot(), undefined).onMorphMicroUsd).toBe(expected);
  });

  it('has every day from the first, and its days add up to it', () => {
    const { days, spentMicroUsd } = viewMonth(snapshot(), undefined);
    expect(days.map(({ day }) => day).slice(0, 2)).toEqual(['2026-11-01', '2026-11-02']);
    expect(days.length).toBe(11);
    expect(days.reduce((total, { total: ofDay }) => total + ofDay, 0)).toBe(spentMicroUsd);
    expect(days.at(-1)?.totalSoFar).toBe(spentMicroUsd);
  });

  it('tells hours running from hours paused', () => {
    const { providers } = viewMonth(snapshot(), undefined);
    const vm = providers.find(({ provider }) => provider === 'pve-vm');
    expect([vm?.runningMs, vm?.pausedMs]).toEqual([10 * HOUR_MS, 5 * HOUR_MS]);
  });

  it('of one team has no node and nobody else', () => {
    const view = viewMonth(snapshot(), 'red');
    expect(view.nodes).toEqual([]);
    expect(view.teams.map(({ name }) => name)).toEqual(['red']);
    expect(view.spentMicroUsd).toBe(view.providers[0]?.microUsd);
  });

  it('names what has no price, instead of calling it free', () => {
    const view = viewMonth(snapshot({ book: { ...BOOK, nodes: [] } }), undefined);
    expect(view.unpriced).toEqual([{ provider: 'pve-vm', node: 'pve1', ms: 15 * HOUR_MS }]);
    expect(describeCost(view, 'pve-vm')).toMatch(/^Its cost is not known/);
  });

  it('goes on at the rate of what is open now', () => {
    const open = [
      { account: account(), state: 'running', fromMs: NOON - DAY_MS, fromEvidence: 'clock' },
    ] as const;
    const view = viewMonth(snapshot({ open, book: { ...BOOK, nodes: [] } }), undefined);
    expect(view.perHourMicroUsd).toBe(200_000);
    expect(describeCost(view, 'morph')).toMatch(/^\$0\.200\/h now, /);
  });
});

test('however many look, the ledger is read once in ten seconds, and each view is worked out once', async () => {
  let now = NOON;
  let reads = 0;
  const reader = createCostsReader({
    nowMs: () => now,
    store: {
      ledger: {
        usage: async ({ bySandbox }: { bySandbox: boolean }) => {
          if (!bySandbox) reads += 1;
          return [];
        },
        openIntervals: async () => [],
      },
      costs: { prices: async () => BOOK },
      deployment: { view: async () => undefined },
      savings: { read: async () => ({ months: [] }) },
      costLines: { all: async () => [] },
      budgets: { read: async () => ({ budgets: [] }) },
    } as never,
  });
  const [first, second] = await Promise.all([reader.month(undefined), reader.month(undefined)]);
  expect(first).toBe(second);
  now += 9_999;
  await reader.month('red');
  expect(reads).toBe(1);
  now += 1;
  await reader.month(undefined);
  expect(reads).toBe(2);
});
