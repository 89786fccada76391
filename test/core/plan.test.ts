import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dayOf } from '../../src/core/day.ts';
import { planMigration, USAGE_DEFAULTS, type UsageDescription } from '../../src/core/plan.ts';
import type { PriceBook } from '../../src/core/price-book.ts';

const NOW = Date.UTC(2026, 10, 21);
const BOOK: PriceBook = {
  asOf: '2026-11-21',
  sources: [],
  morph: [
    {
      fromDay: dayOf(Date.UTC(2026, 0, 1)),
      usdPerMcuHour: { numerator: 5n, denominator: 100n },
      mcuMemoryMib: 4_096,
      mcuDiskGib: 16,
      usdPerStoredGibHour: { numerator: 1n, denominator: 100_000n },
    },
  ],
  nodes: [],
};

const TEAM: UsageDescription = {
  ...USAGE_DEFAULTS,
  users: 10,
  sessionsPerUserDay: 2,
  activeHoursPerSession: 1.5,
};

describe('the plan of a migration', () => {
  test('prices today between whole hours and an open tab, by the MCUs of the preset', () => {
    const { phases, sessions, sandboxHours } = planMigration(TEAM, BOOK, NOW);
    expect(sessions).toBe(420);
    expect(sandboxHours.today).toEqual([420 * 3, 420 * 9.5]);
    expect(phases[0]?.usd).toEqual([252, 798]);
  });

  test('counts the threshold after each burst once idle sandboxes are suspended', () => {
    const { phases, sandboxHours } = planMigration(TEAM, BOOK, NOW);
    expect(sandboxHours.suspended).toBe(420 * 2.25);
    expect(phases[1]?.usd).toEqual([189, 189]);
  });

  test('takes as many nodes as the peak needs, and Morph for what falls back', () => {
    const { phases, peakConcurrent } = planMigration(TEAM, BOOK, NOW);
    expect(peakConcurrent).toBe(15);
    expect(phases[3]).toMatchObject({ nodes: 1, usd: [103.78, 103.78] });
    const large = planMigration({ ...TEAM, users: 30 }, BOOK, NOW);
    expect(large.phases[3]?.nodes).toBe(3);
  });

  test('says from which use on the node pays', () => {
    expect(planMigration(TEAM, BOOK, NOW).breakEven).toEqual({ sandboxHours: 500, sessionsPerUserDay: 1.06 });
  });

  test('refuses a node that no sandbox fits on', () => {
    const node = { usdPerMonth: 20, memoryMib: 8_192, sharedMib: 2_048 };
    expect(() => planMigration({ ...TEAM, node }, BOOK, NOW)).toThrow('has no room for 8192 MiB');
  });

  test('never plans more running time than the old rule at most had', () => {
    const hours = fc.double({ min: 0, max: 24, noNaN: true });
    fc.assert(
      fc.property(hours, hours, fc.integer({ min: 1, max: 20 }), (active, idle, burstsPerSession) => {
        const usage = { ...TEAM, activeHoursPerSession: active, idleHoursPerSession: idle, burstsPerSession };
        const { sandboxHours } = planMigration(usage, BOOK, NOW);
        expect(sandboxHours.today[0]).toBeLessThanOrEqual(sandboxHours.today[1]);
        expect(sandboxHours.suspended).toBeLessThanOrEqual(sandboxHours.today[1]);
      }),
    );
  });
});
