import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asUnder, COUNTERFACTUALS, type SandboxHistory } from '../../src/core/counterfactual.ts';
import type { LedgerEntry } from '../../src/core/ledger.ts';
import type { BillingState } from '../../src/core/price-book.ts';

const HOUR = 3_600_000;
/** Noon of a day in November, UTC. */
const NOON = Date.UTC(2026, 10, 10, 12);

/** Hours from noon. */
function history(...parts: readonly (readonly [BillingState, from: number, to: number])[]): SandboxHistory {
  return parts.map(
    ([state, from, to]): LedgerEntry => ({
      account: {
        guestId: 'pvevm-00000001',
        sandboxId: 'sbx-1',
        provider: 'pve-vm',
        failureDomain: 'pve',
        node: 'pve1',
        size: { vcpus: 4, memoryMib: 8_192, diskGib: 32 },
      },
      state,
      fromMs: NOON + from * HOUR,
      fromEvidence: 'clock',
      toMs: NOON + to * HOUR,
      toEvidence: 'clock',
    }),
  );
}

function running(entries: readonly LedgerEntry[]): readonly (readonly [number, number])[] {
  return entries
    .filter(({ state }) => state === 'running')
    .map(({ fromMs, toMs }) => [(fromMs - NOON) / HOUR, (toMs - NOON) / HOUR]);
}

const lengthOf = (entries: readonly LedgerEntry[], state?: BillingState) =>
  entries
    .filter((entry) => state === undefined || entry.state === state)
    .reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);

describe('the same history under another policy', () => {
  test('on Morph runs when it ran, on no node, and keeps memory while paused', () => {
    const { lower } = asUnder('all_on_morph', history(['running', 0, 1], ['stored', 1, 5]));
    expect(lower.map(({ state, account }) => [state, account.provider, account.node])).toEqual([
      ['running', 'morph', undefined],
      ['paused', 'morph', undefined],
    ]);
  });

  test('without suspensions runs all along at most, and as it did at least', () => {
    const past = history(['running', 0, 1], ['paused', 1, 5], ['running', 5, 6]);
    const { lower, upper } = asUnder('no_idle_suspend', past);
    expect(lengthOf(lower, 'running')).toBe(2 * HOUR);
    expect(lengthOf(upper, 'running')).toBe(6 * HOUR);
  });

  test.each([
    ['ten minutes of use are an hour', history(['running', 0, 1 / 6], ['paused', 1 / 6, 5]), [[0, 1]]],
    ['just an hour is one', history(['running', 0, 1], ['paused', 1, 5]), [[0, 1]]],
    ['a little more is two', history(['running', 0, 1.1], ['paused', 1.1, 5]), [[0, 2]]],
    ['not beyond its end', history(['running', 0, 0.5]), [[0, 0.5]]],
    [
      'used again within the hour it goes on',
      history(['running', 0, 0.5], ['paused', 0.5, 0.75], ['running', 0.75, 1.25], ['paused', 1.25, 5]),
      [[0, 1.75]],
    ],
  ])('under the old rule at least: %s', (_case, past, expected) => {
    expect(running(asUnder('old_rule', past).lower)).toEqual(expected);
  });

  test.each([
    ['one evening it is too young to be paused', history(['running', 0, 1], ['paused', 1, 12]), [[0, 12]]],
    ['the second evening pauses it', history(['running', 0, 1], ['paused', 1, 60]), [[0, 33]]],
    [
      'its next use wakes it until it is destroyed',
      history(['running', 0, 1], ['paused', 1, 46], ['running', 46, 47]),
      [
        [0, 33],
        [46, 47],
      ],
    ],
    ['in use in the evening it is woken at once', history(['running', 0, 60]), [[0, 60]]],
  ])('under the old rule at most: %s', (_case, past, expected) => {
    expect(running(asUnder('old_rule', past).upper)).toEqual(expected);
  });

  test('leaves out what failed starts left behind, which the old rule never had', () => {
    const { lower } = asUnder('old_rule', history(['condemned', 0, 1]));
    expect(lower).toEqual([]);
  });

  test('covers the life of the sandbox without gap or overlap, the lower reading never running longer', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 40 * 60 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(lengths, fc.constantFrom(...COUNTERFACTUALS), (minutes, name) => {
        let at = 0;
        const past = history(
          ...minutes.map((length, index) => {
            const from = at;
            at += length / 60;
            return [index % 2 === 0 ? 'running' : 'paused', from, at] as const;
          }),
        );
        const { lower, upper } = asUnder(name, past);
        for (const reading of [lower, upper]) {
          expect(lengthOf(reading)).toBeCloseTo(lengthOf(past), -1);
          for (const [index, entry] of reading.entries()) {
            if (index > 0) expect(entry.fromMs).toBe(reading[index - 1]?.toMs);
          }
        }
        expect(lengthOf(lower, 'running')).toBeLessThanOrEqual(lengthOf(upper, 'running'));
      }),
    );
  });
});
