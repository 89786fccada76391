import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AnnouncedSettings,
  DIFFERENCE_BORNE_MS,
  decideAgreement,
  PROCESS_GONE_AFTER_MS,
  settingsInForce,
} from '../../src/core/settings-agreement.ts';

const NOW_MS = 1_000_000_000;
const LONG_AGO_MS = NOW_MS - DIFFERENCE_BORNE_MS - 1;

const OLD = { routing: 'r1', presets: 'p1' };
const NEW = { routing: 'r2', presets: 'p1' };

function announced(
  process: string,
  parts: AnnouncedSettings['parts'],
  startedAtMs = LONG_AGO_MS,
  silentForMs = 0,
): AnnouncedSettings {
  return { process, parts, startedAtMs, silentForMs };
}

describe('the settings in force are those of', () => {
  test.each<[string, readonly AnnouncedSettings[], string | undefined]>([
    ['nobody, when nobody announced any', [], undefined],
    ['the only process', [announced('a', OLD)], 'a'],
    ['the one that started last', [announced('b', NEW, 2), announced('a', OLD, 1)], 'b'],
    ['the one whose name sorts last, of one instant', [announced('b', NEW, 1), announced('a', OLD, 1)], 'b'],
    [
      'the one that started last, exactly at the bound of its silence',
      [announced('a', OLD, 1), announced('b', NEW, 2, PROCESS_GONE_AFTER_MS)],
      'b',
    ],
    [
      'the one before it, just after',
      [announced('a', OLD, 1), announced('b', NEW, 2, PROCESS_GONE_AFTER_MS + 1)],
      'a',
    ],
    ['nobody, when all are gone', [announced('a', OLD, 1, PROCESS_GONE_AFTER_MS + 1)], undefined],
  ])('%s', (_what, all, process) => {
    expect(settingsInForce(all)?.process).toBe(process);
  });
});

describe('processes', () => {
  test.each<[string, readonly AnnouncedSettings[], string]>([
    ['agree when there is none', [], 'agreed'],
    ['agree when there is one', [announced('a', OLD)], 'agreed'],
    ['agree when their settings are the same', [announced('a', OLD), announced('b', { ...OLD })], 'agreed'],
    [
      'agree when the one with other settings is gone',
      [announced('a', OLD), announced('b', NEW, LONG_AGO_MS, PROCESS_GONE_AFTER_MS + 1)],
      'agreed',
    ],
    [
      'are changing exactly at the bound',
      [announced('a', OLD), announced('b', NEW, NOW_MS - DIFFERENCE_BORNE_MS)],
      'changing',
    ],
    ['differ just after it', [announced('a', OLD), announced('b', NEW, LONG_AGO_MS)], 'differ'],
    [
      'differ when one of them is started again and again',
      [announced('a', OLD, LONG_AGO_MS - 1), announced('b', NEW, LONG_AGO_MS), announced('c', NEW, NOW_MS)],
      'differ',
    ],
    [
      'are changing when the settings of all are changed a second time',
      [announced('a', OLD, LONG_AGO_MS), announced('b', OLD, LONG_AGO_MS), announced('c', NEW, NOW_MS)],
      'changing',
    ],
  ])('%s', (_what, all, verdict) => {
    expect(decideAgreement(all, NOW_MS).verdict).toBe(verdict);
  });

  test('that differ are named with the parts that differ from those in force, also what only one of both has', () => {
    const all = [
      announced('a', { routing: 'r1', presets: 'p1', budgets: 'b1' }, LONG_AGO_MS - 2),
      announced('b', NEW, LONG_AGO_MS - 1),
      announced('c', NEW, LONG_AGO_MS),
    ];
    expect(decideAgreement(all, NOW_MS)).toEqual({
      verdict: 'differ',
      inForce: all[2],
      others: [{ process: 'a', parts: ['budgets', 'routing'] }],
    });
  });
});

const anyAnnounced = fc.uniqueArray(
  fc.record({
    process: fc.string({ minLength: 1, maxLength: 3 }),
    startedAtMs: fc.integer({ min: LONG_AGO_MS - 2, max: NOW_MS }),
    silentForMs: fc.constantFrom(0, PROCESS_GONE_AFTER_MS, PROCESS_GONE_AFTER_MS + 1),
    parts: fc.dictionary(fc.constantFrom('routing', 'presets'), fc.constantFrom('1', '2')),
  }),
  { selector: ({ process }) => process, maxLength: 6 },
);

test('in which order announcements are read makes no difference', () => {
  fc.assert(
    fc.property(anyAnnounced, (all) => {
      const reversed = [...all].reverse();
      expect(settingsInForce(reversed)).toEqual(settingsInForce(all));
      expect(decideAgreement(reversed, NOW_MS)).toEqual(decideAgreement(all, NOW_MS));
    }),
  );
});

test('who is gone neither has a say nor is told of', () => {
  fc.assert(
    fc.property(anyAnnounced, (all) => {
      const living = all.filter(({ silentForMs }) => silentForMs <= PROCESS_GONE_AFTER_MS);
      expect(settingsInForce(all)).toEqual(settingsInForce(living));
      expect(decideAgreement(all, NOW_MS)).toEqual(decideAgreement(living, NOW_MS));
    }),
  );
});

test('whoever differs is living, is not the one in force, and has at least one part of its own', () => {
  fc.assert(
    fc.property(anyAnnounced, (all) => {
      const agreement = decideAgreement(all, NOW_MS);
      if (agreement.verdict !== 'differ') return;
      expect(agreement.inForce).toEqual(settingsInForce(all));
      expect(agreement.others.length).toBeGreaterThan(0);
      for (const { process, parts } of agreement.others) {
        expect(process).not.toBe(agreement.inForce.process);
        expect(parts.length).toBeGreaterThan(0);
      }
    }),
  );
});

test('they agree exactly when the living all have the same parts', () => {
  fc.assert(
    fc.property(anyAnnounced, (all) => {
      const living = all.filter(({ silentForMs }) => silentForMs <= PROCESS_GONE_AFTER_MS);
      const kinds = new Set(living.map(({ parts }) => `${parts.routing}|${parts.presets}`));
      expect(decideAgreement(all, NOW_MS).verdict === 'agreed').toBe(kinds.size <= 1);
    }),
  );
});
