/** The judge of the ledger finds what is planted, and explains what a late look explains. */
import { describe, expect, it } from 'vitest';
import {
  judgeLedger,
  type KnownChange,
  type LedgerEvidence,
  LONGEST_DELAY_MS,
} from '../../chaos/ledger-error.ts';

/** A dollar an hour while it runs, a cent while it is paused. */
const RATES: Readonly<Record<string, number>> = { running: 1_000_000, condemned: 1_000_000, paused: 10_000 };
const HOUR_MS = 3_600_000;
const GUEST = { guestId: 'morph-1', sandboxId: 'sbx-1', provider: 'morph' } as const;

/** One guest that ran for an hour and was paused for another, known of without delay; a case plants what is wrong. */
function evidence({
  known = [
    { state: 'running', afterMs: 0, seenAtMs: 0 },
    { state: 'paused', afterMs: HOUR_MS, seenAtMs: HOUR_MS },
  ],
  runningMs = HOUR_MS,
  pausedMs = HOUR_MS,
}: {
  readonly known?: readonly KnownChange[];
  readonly runningMs?: number;
  readonly pausedMs?: number;
}): LedgerEvidence {
  const of = { sandboxId: 'sbx-1', provider: 'morph' } as const;
  return {
    guests: [{ ...GUEST, known }],
    metered: [
      { guest: 'morph-1', state: 'running', fromMs: 0, toMs: HOUR_MS },
      { guest: 'morph-1', state: 'paused', fromMs: HOUR_MS, toMs: 2 * HOUR_MS },
    ],
    recorded: [
      { ...of, state: 'running', ms: runningMs },
      { ...of, state: 'paused', ms: pausedMs },
    ],
    endMs: 2 * HOUR_MS,
    microUsdPerHour: (_provider, state) => RATES[state] ?? 0,
  };
}

describe('the judge of the ledger', () => {
  it('finds no error and no delay where ledger and meter agree', () => {
    expect(judgeLedger(evidence({}))).toEqual({
      meteredMicroUsd: 1_010_000,
      errorMicroUsd: 0,
      boundMicroUsd: 0,
      longestDelayMs: 0,
      findings: [],
      delays: [],
    });
  });

  it('catches a planted error that no delay explains', () => {
    const { findings, errorMicroUsd } = judgeLedger(evidence({ runningMs: HOUR_MS / 2 }));
    expect(errorMicroUsd).toBe(500_000);
    expect(findings).toMatchObject([{ id: 'sbx-1 on morph' }]);
  });

  it('explains an error by the time until a pause was seen, at the difference of the rates', () => {
    const known: readonly KnownChange[] = [
      { state: 'running', afterMs: 0, seenAtMs: 0 },
      { state: 'paused', afterMs: 1.5 * HOUR_MS, seenAtMs: 1.5 * HOUR_MS },
    ];
    const late = { known, runningMs: 1.5 * HOUR_MS, pausedMs: 0.5 * HOUR_MS };
    expect(judgeLedger(evidence(late))).toMatchObject({
      errorMicroUsd: 495_000,
      boundMicroUsd: 495_000,
      longestDelayMs: HOUR_MS / 2,
      findings: [],
    });
    expect(judgeLedger(evidence({ ...late, runningMs: 1.6 * HOUR_MS })).findings).toHaveLength(1);
  });

  it('counts the time between two looks as delay, whichever way the ledger was wrong in it', () => {
    const known: readonly KnownChange[] = [
      { state: 'running', afterMs: 0, seenAtMs: 0 },
      { state: 'paused', afterMs: HOUR_MS - 60_000, seenAtMs: HOUR_MS + 60_000 },
    ];
    expect(judgeLedger(evidence({ known })).boundMicroUsd).toBe(33_000);
  });

  it('catches a disagreement that lasts, though its own length explains the error', () => {
    const pausedAfter = (lateMs: number) => {
      const known: readonly KnownChange[] = [
        { state: 'running', afterMs: 0, seenAtMs: 0 },
        { state: 'paused', afterMs: HOUR_MS + lateMs, seenAtMs: HOUR_MS + lateMs },
      ];
      return judgeLedger(evidence({ known, runningMs: HOUR_MS + lateMs, pausedMs: HOUR_MS - lateMs }));
    };
    expect(pausedAfter(LONGEST_DELAY_MS)).toMatchObject({ findings: [], delays: [] });
    const { findings, delays, longestDelayMs } = pausedAfter(LONGEST_DELAY_MS + 1);
    expect(findings).toEqual([]);
    expect(longestDelayMs).toBe(LONGEST_DELAY_MS + 1);
    expect(delays).toMatchObject([{ id: 'morph-1' }]);
    expect(delays[0]?.why).toContain('as running, metered as paused');
  });

  it('takes a condemned guest for what it is defined to cost, as long as it is there', () => {
    const known: readonly KnownChange[] = [
      { state: 'running', afterMs: 0, seenAtMs: 0 },
      { state: 'condemned', afterMs: HOUR_MS, seenAtMs: HOUR_MS },
    ];
    const { recorded: _recorded, ...rest } = evidence({ known });
    const of = { sandboxId: 'sbx-1', provider: 'morph' } as const;
    const condemnedFor = (ms: number) =>
      judgeLedger({
        ...rest,
        recorded: [
          { ...of, state: 'running', ms: HOUR_MS },
          { ...of, state: 'condemned', ms },
        ],
        endMs: HOUR_MS + ms,
      });
    expect(condemnedFor(HOUR_MS)).toMatchObject({ errorMicroUsd: 0, boundMicroUsd: 0, delays: [] });
    // Its meter ends after the hour: from then on it is gone, and the ledger does not know.
    expect(condemnedFor(2 * HOUR_MS)).toMatchObject({ boundMicroUsd: 1_000_000, longestDelayMs: HOUR_MS });
  });

  it('does not let an error of one sandbox make up for that of another', () => {
    const { guests, metered, recorded, ...rest } = evidence({});
    const of = { sandboxId: 'sbx-2', provider: 'morph' } as const;
    const verdict = judgeLedger({
      ...rest,
      guests: [...guests, { guestId: 'morph-2', ...of, known: [] }],
      metered,
      recorded: [
        { ...of, state: 'running', ms: HOUR_MS },
        { sandboxId: 'sbx-1', provider: 'morph', state: 'paused', ms: HOUR_MS },
      ],
    });
    expect(recorded).toHaveLength(2);
    expect(verdict.errorMicroUsd).toBe(2_000_000);
    expect(verdict.findings.map(({ id }) => id).sort()).toEqual(['sbx-1 on morph', 'sbx-2 on morph']);
  });
});
