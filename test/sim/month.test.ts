import { describe, expect, test } from 'vitest';
import { runMonth } from '../../sim/month/run-month.ts';

/** Some 400 sandboxes with every signal of theirs: seconds, and more on a busy machine. */
const ONE_MONTH_MS = 120_000;

describe('a month of a generated team', () => {
  test("comes out at the roadmap's $200-500 under the old rule, and cheaper under each step of the way", {
    timeout: ONE_MONTH_MS,
  }, () => {
    const { scenarios, ledgerErrorPercent, sensitivity } = runMonth(20_261_121, 10);
    const [oldRule, idle, proxmox] = scenarios;
    expect(scenarios.map(({ name }) => name)).toEqual(['morph-old-rule', 'morph-idle', 'proxmox-morph-idle']);
    expect(oldRule?.costUsd).toBeGreaterThan(200);
    expect(oldRule?.costUsd).toBeLessThan(500);
    expect(oldRule?.usualConcurrent).toBeGreaterThanOrEqual(5);
    expect(oldRule?.usualConcurrent).toBeLessThanOrEqual(10);
    expect(idle?.costUsd).toBeLessThan(oldRule?.costUsd ?? 0);
    expect(proxmox?.costUsd).toBeLessThan(idle?.costUsd ?? 0);
    // Only work of which nothing told was met by a suspension.
    for (const scenario of [idle, proxmox]) {
      expect(scenario?.interruptions).toBe(scenario?.silentInterruptions);
    }
    // How late Morph acts on its own TTL is told by nobody; nothing else may differ from the meter.
    expect(ledgerErrorPercent).toBeLessThan(0.6);
    expect(sensitivity.map(({ savingPercent }) => savingPercent)).toHaveLength(4);
  });

  test('is the same for the same seed, and another for another', { timeout: ONE_MONTH_MS }, () => {
    expect(runMonth(7, 2)).toEqual(runMonth(7, 2));
    expect(runMonth(8, 2)).not.toEqual(runMonth(7, 2));
  });
});
