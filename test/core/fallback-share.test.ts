import { expect, test } from 'vitest';
import { FEWEST_STARTS, isFallbackShareTooHigh } from '../../src/core/fallback-share.ts';
import { FULL_SHARE, isStoreFull } from '../../src/core/store-health.ts';

const bound = { share: 0.5, windowMs: 60_000 };

test.each([
  ['no starts at all', 0, 0, false],
  ['too few to say', FEWEST_STARTS - 1, FEWEST_STARTS - 1, false],
  ['just enough, all elsewhere', FEWEST_STARTS, FEWEST_STARTS, true],
  ['just under the share', 100, 49, false],
  ['exactly at it', 100, 50, true],
  ['none elsewhere', 100, 0, false],
])('with %s', (_what, total, fellBack, tooHigh) => {
  expect(isFallbackShareTooHigh({ total, fellBack }, bound)).toBe(tooHigh);
});

test('a bound of no share at all is passed by the first start elsewhere, not by none', () => {
  expect(isFallbackShareTooHigh({ total: 100, fellBack: 0 }, { ...bound, share: 0 })).toBe(false);
  expect(isFallbackShareTooHigh({ total: 100, fellBack: 1 }, { ...bound, share: 0 })).toBe(true);
});

test.each([
  ['just under the bound', 1_000 * FULL_SHARE - 1, 1_000, false],
  ['exactly at it', 1_000 * FULL_SHARE, 1_000, true],
  ['without a bound', 1_000_000, 0, false],
])('Redis memory %s', (_what, usedBytes, maxBytes, full) => {
  expect(isStoreFull({ usedBytes, maxBytes, policy: 'noeviction' })).toBe(full);
});
