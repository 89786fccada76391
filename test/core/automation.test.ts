import { expect, test } from 'vitest';
import { type Automation, brakeLimit, decideDiscard, whyNotAutomatic } from '../../src/core/automation.ts';

const NORMAL: Automation = { mode: 'normal', reason: '', destruction: 'on' };
const OFF: Automation = { mode: 'off', reason: 'switched off', destruction: 'off' };
const OBSERVING: Automation = { ...NORMAL, mode: 'observing', reason: 'observing', distrustBeforeMs: 100 };
const ADOPT_ONLY: Automation = { ...NORMAL, mode: 'adopt_only', reason: 'adopt', distrustBeforeMs: 100 };

test.each([
  ['pause', NORMAL, undefined],
  ['destroy', NORMAL, undefined],
  ['pause', OFF, undefined],
  ['destroy', OFF, 'switched off'],
  ['pause', OBSERVING, 'observing'],
  ['destroy', OBSERVING, 'observing'],
  ['pause', ADOPT_ONLY, 'adopt'],
  ['destroy', ADOPT_ONLY, 'adopt'],
] as const)('an automatic %s in %o: %s', (action, automation, reason) => {
  expect(whyNotAutomatic(action, automation)).toBe(reason);
});

test('a restored sandbox is not destroyed automatically until an operator confirms', () => {
  const restored = { restoredAtMs: 50 };
  expect(whyNotAutomatic('destroy', NORMAL, restored)).toMatch(/restored/);
  expect(whyNotAutomatic('pause', NORMAL, restored)).toBeUndefined();
  expect(whyNotAutomatic('destroy', { ...NORMAL, confirmedAtMs: 49 }, restored)).toMatch(/restored/);
  expect(whyNotAutomatic('destroy', { ...NORMAL, confirmedAtMs: 50 }, restored)).toBeUndefined();
});

test.each([
  ['asked for and condemned before the doubt', { sentAtMs: 10, condemnedAtMs: 99 }, 'discard'],
  ['asked for before, condemned at the moment of doubt', { sentAtMs: 99, condemnedAtMs: 100 }, 'disown'],
  ['asked for before, condemned after', { sentAtMs: 99, condemnedAtMs: 500 }, 'disown'],
  ['asked for at the moment of doubt', { sentAtMs: 100, condemnedAtMs: 500 }, 'discard'],
  ['never sent', { condemnedAtMs: 500 }, 'discard'],
] as const)('in adopt-only mode, a condemned guest %s: %s', (_name, guest, verdict) => {
  expect(decideDiscard(guest, ADOPT_ONLY).verdict).toBe(verdict);
  // The doubt about such a guest outlives the mode.
  expect(decideDiscard(guest, { ...ADOPT_ONLY, mode: 'normal', confirmedAtMs: 900 }).verdict).toBe(verdict);
});

test('the switch and the time of observation hold discards back', () => {
  const guest = { sentAtMs: 1, condemnedAtMs: 2 };
  expect(decideDiscard(guest, OFF).verdict).toBe('wait');
  expect(decideDiscard(guest, { ...ADOPT_ONLY, destruction: 'off' }).verdict).toBe('wait');
  expect(decideDiscard(guest, OBSERVING).verdict).toBe('wait');
});

test.each([
  [0, 3],
  [79, 3],
  [80, 4],
  [1_000, 50],
])('of %i guests at most %i may be destroyed automatically in an hour', (size, limit) => {
  expect(brakeLimit(size)).toBe(limit);
});
