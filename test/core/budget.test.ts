import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Budget,
  type BudgetUse,
  crossedThresholds,
  forecastMonthEnd,
  withinBudgets,
} from '../../src/core/budget.ts';

const USD = 1_000_000;
const HOUR_MS = 3_600_000;
const CANDIDATES = [
  { provider: 'pve-vm', sliceMicroUsd: 0.02 * USD },
  { provider: 'morph', sliceMicroUsd: 0.2 * USD },
] as const;

function use(budget: Partial<Budget>, spentUsd: number, reservedUsd = 0): BudgetUse {
  return {
    budget: {
      name: 'all',
      scope: { of: 'deployment' },
      monthlyMicroUsd: 100 * USD,
      atLimit: 'stop_admitting',
      ...budget,
    },
    spentMicroUsd: Math.round(spentUsd * USD),
    reservedMicroUsd: Math.round(reservedUsd * USD),
  };
}

describe('a budget', () => {
  test.each([
    ['just under the limit', use({}, 99.8), ['pve-vm', 'morph']],
    ['one micro-dollar too much for the dear one', use({}, 99.800001), ['pve-vm']],
    ['used up', use({}, 100), []],
    ['used up by reservations', use({}, 40, 60), []],
    ['used up, alert only', use({ atLimit: 'alert' }, 200), ['pve-vm', 'morph']],
    ['used up, routing away: the cheapest stays', use({ atLimit: 'route_away' }, 100), ['pve-vm']],
    [
      'of a provider, used up, routing away',
      use({ atLimit: 'route_away', scope: { of: 'provider', provider: 'pve-vm' } }, 100),
      ['morph'],
    ],
    [
      'of another provider',
      use({ scope: { of: 'provider', provider: 'pve-lxc' } }, 100),
      ['pve-vm', 'morph'],
    ],
    ['of this team', use({ scope: { of: 'team', teamId: 'team-1' } }, 100), []],
    ['of another team', use({ scope: { of: 'team', teamId: 'team-2' } }, 100), ['pve-vm', 'morph']],
  ])('%s lets through what fits', (_case, budgetUse, expected) => {
    const { candidates, leftOut } = withinBudgets(CANDIDATES, 'team-1', [budgetUse]);
    expect(candidates).toEqual(expected);
    expect(leftOut).toHaveLength(CANDIDATES.length - expected.length);
  });

  test('says what is spent, reserved and allowed when it leaves a provider out', () => {
    const { leftOut } = withinBudgets(CANDIDATES, undefined, [use({}, 99.5, 0.5)]);
    expect(leftOut[0]?.reason).toBe('budget all: $99.50 spent and $0.50 reserved of $100.00 this month');
  });

  test('tells each threshold once, and all that were passed at a stride', () => {
    expect(crossedThresholds(use({}, 49.999999), [])).toEqual([]);
    expect(crossedThresholds(use({}, 50), [])).toEqual([50]);
    expect(crossedThresholds(use({}, 91), [50])).toEqual([75, 90]);
    expect(crossedThresholds(use({}, 100), [50, 75, 90, 100])).toEqual([]);
  });

  test('never lets the admitted slices pass its limit, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100 * USD }),
        fc.array(fc.integer({ min: 1, max: 5 * USD }), { maxLength: 60 }),
        (spent, slices) => {
          let reserved = 0;
          for (const sliceMicroUsd of slices) {
            const state = { ...use({}, 0), spentMicroUsd: spent, reservedMicroUsd: reserved };
            const { candidates } = withinBudgets([{ provider: 'morph', sliceMicroUsd }], undefined, [state]);
            if (candidates.length > 0) reserved += sliceMicroUsd;
          }
          expect(spent + reserved).toBeLessThanOrEqual(100 * USD);
        },
      ),
    );
  });
});

describe('the forecast of a month', () => {
  test('goes by the mean once a day has passed, between the bounds of mean and rate', () => {
    const nowMs = Date.UTC(2026, 10, 16); // Half of November.
    const { expectedMicroUsd, ...bounds } = forecastMonthEnd(100 * USD, 0.1 * USD, nowMs);
    expect(expectedMicroUsd).toBe(200 * USD);
    expect(bounds).toEqual({ lowerMicroUsd: 136 * USD, upperMicroUsd: 200 * USD });
  });

  test('goes by the rate of the moment on the first day', () => {
    const nowMs = Date.UTC(2026, 10, 1) + HOUR_MS;
    expect(forecastMonthEnd(USD, USD, nowMs).expectedMicroUsd).toBe(720 * USD);
  });
});
