/** A chaos run of twenty seconds with a fixed seed, and the minute that everything may take to come to rest. */
import { expect, test } from 'vitest';
import { runChaos } from '../../chaos/run-chaos.ts';
import { planChaos } from '../../chaos/schedule.ts';

const SEED = Number(process.env.TEST_SEED ?? 20_261_121);
const DURATION_MS = 20_000;
/** Starting, the run, its minute of rest, and a loaded machine. */
const TIME_LIMIT_MS = 180_000;

test(
  `nothing is lost, made twice, leaked or left unsettled by twenty seconds of chaos (seed ${SEED})`,
  async () => {
    const { findings, ...figures } = await runChaos({
      seed: SEED,
      durationMs: DURATION_MS,
      tell: (line) => {
        if (process.env.TEST_LOG) process.stderr.write(`${line}\n`);
      },
    });
    const { lost, duplicates, leaked, unsettled, ledger, ledgerDelays, unexpected } = findings;
    expect({ lost, duplicates, leaked, unsettled, ledger, ledgerDelays, unexpected }).toEqual({
      lost: [],
      duplicates: [],
      leaked: [],
      unsettled: [],
      ledger: [],
      ledgerDelays: [],
      unexpected: [],
    });
    expect(figures.crashes).toBe(0);
    // Else nothing would have been at stake.
    for (const figure of [
      'operations',
      'kills',
      'redisRestarts',
      'lostReplies',
      'recoverySamples',
      'ledgerMeteredMicroUsd',
    ] as const) {
      expect(figures[figure], figure).toBeGreaterThan(0);
    }
  },
  TIME_LIMIT_MS,
);

test('the seed decides the schedule, and five minutes hold what a run has to hold', () => {
  const minutes = 5 * 60_000;
  expect(planChaos(7, minutes)).toEqual(planChaos(7, minutes));
  expect(planChaos(7, minutes)).not.toEqual(planChaos(8, minutes));
  for (let seed = 0; seed < 50; seed += 1) {
    const plan = planChaos(seed, minutes);
    const count = (what: string) => plan.filter((action) => action.do === what).length;
    expect(count('kill')).toBeGreaterThanOrEqual(36);
    expect(count('freeze')).toBeGreaterThanOrEqual(12);
    expect(count('restart-redis')).toBeGreaterThanOrEqual(6);
    expect(plan.every(({ atMs }) => atMs >= 0 && atMs < minutes)).toBe(true);
  }
});
