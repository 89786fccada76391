import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sum, toMicroUsd } from '../../src/core/exact.ts';
import {
  type BillingChange,
  changeBilling,
  distinctEntries,
  type LedgerEntry,
  type OpenInterval,
  priceEntry,
} from '../../src/core/ledger.ts';
import { BILLING_STATES } from '../../src/core/price-book.ts';
import { account, at, BOOK, day, nodeAccount, usd } from './ledger-case.ts';

const HOUR = 3_600_000;

function price(entry: Parameters<typeof priceEntry>[1], book = BOOK): number {
  return toMicroUsd(priceEntry(book, entry));
}

function interval(state: LedgerEntry['state'], from: string, to: string, of = account()) {
  return { account: of, state, fromMs: at(from), toMs: at(to) };
}

describe('the price of an entry', () => {
  it.each([
    // 4 vCPUs, 8 GiB and 32 GiB are 4, 2 and 2 MCU: the largest counts.
    [{ vcpus: 4, memoryMib: 8_192, diskGib: 32 }, 200_000],
    [{ vcpus: 6, memoryMib: 8_192, diskGib: 32 }, 300_000],
    [{ vcpus: 1, memoryMib: 4_096, diskGib: 16 }, 50_000],
    [{ vcpus: 1, memoryMib: 4_097, diskGib: 16 }, 100_000],
    [{ vcpus: 1, memoryMib: 4_096, diskGib: 17 }, 100_000],
  ])('is by the largest share on Morph: an hour of %j costs %d micro-dollars', (size, microUsd) => {
    expect(
      price(interval('running', '2026-11-02T10:00:00Z', '2026-11-02T11:00:00Z', account({ size }))),
    ).toBe(microUsd);
  });

  it('is memory and disk alone while paused on Morph', () => {
    expect(price(interval('paused', '2026-11-02T10:00:00Z', '2026-11-02T11:00:00Z'))).toBe(400);
  });

  it('is a share of the node by memory on Proxmox, and nothing while paused', () => {
    // 8 of 64 GiB of $60, one day of 30.
    expect(price(interval('running', '2026-11-02', '2026-11-03', nodeAccount()))).toBe(250_000);
    expect(price(interval('paused', '2026-11-02', '2026-11-03', nodeAccount()))).toBe(0);
  });

  it('is split where a month ends: a day of February costs more of the month than one of January', () => {
    const january = price(interval('running', '2026-01-31', '2026-02-01', nodeAccount()));
    const february = price(interval('running', '2026-02-01', '2026-02-02', nodeAccount()));
    expect([january, february]).toEqual([241_935, 267_857]);
    expect(price(interval('running', '2026-01-31', '2026-02-02', nodeAccount()))).toBe(
      january + february + 1,
    );
  });

  it('is split where a price changes', () => {
    const [morph] = BOOK.morph;
    if (morph === undefined) throw new Error('the book has no Morph price');
    const dearer = { ...morph, fromDay: day('2026-11-03'), usdPerMcuHour: usd('0.10') };
    const book = { ...BOOK, morph: [morph, dearer] };
    expect(price(interval('running', '2026-11-02T23:00:00Z', '2026-11-03T01:00:00Z'), book)).toBe(
      200_000 + 400_000,
    );
  });

  it('is the same however the time is cut', () => {
    const start = at('2026-01-30T22:00:00Z');
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 * 24 * HOUR }), { minLength: 2, maxLength: 12 }),
        fc.constantFrom(account(), nodeAccount()),
        fc.constantFrom(...BILLING_STATES),
        (offsets, of, state) => {
          const cuts = offsets.map((offset) => start + offset).sort((a, b) => a - b);
          const pieces = cuts.slice(1).map((toMs, index) => ({
            account: of,
            state,
            fromMs: cuts[index] ?? toMs,
            toMs,
          }));
          const whole = { account: of, state, fromMs: cuts[0] ?? 0, toMs: cuts.at(-1) ?? 0 };
          const parts = sum(pieces.map((piece) => priceEntry(BOOK, piece)));
          const total = priceEntry(BOOK, whole);
          expect(parts.numerator * total.denominator).toBe(total.numerator * parts.denominator);
        },
      ),
    );
  });
});

describe('a change of billing', () => {
  const open: OpenInterval = { account: account(), state: 'running', fromMs: 1_000, fromEvidence: 'clock' };

  it('closes the interval and opens the next at the same instant', () => {
    const change = { state: 'paused', atMs: 5_000, evidence: 'provider' } as const;
    expect(changeBilling(account(), open, change)).toEqual({
      closed: { ...open, toMs: 5_000, toEvidence: 'provider' },
      open: { account: account(), state: 'paused', fromMs: 5_000, fromEvidence: 'provider' },
    });
  });

  it('does nothing when it is told again', () => {
    expect(changeBilling(account(), open, { state: 'running', atMs: 9_000, evidence: 'clock' })).toEqual({
      open,
    });
  });

  it('counts from when the guest was last known when it comes late', () => {
    expect(changeBilling(account(), open, { state: 'paused', atMs: 400, evidence: 'provider' })).toEqual({
      open: { account: account(), state: 'paused', fromMs: 1_000, fromEvidence: 'provider' },
    });
  });

  it('drops what was open for a guest that never existed', () => {
    expect(changeBilling(account(), open, { state: 'void', atMs: 9_000, evidence: 'clock' })).toEqual({});
  });

  const changes = fc.array(
    fc.record({
      state: fc.constantFrom(...BILLING_STATES, 'ended' as const),
      atMs: fc.integer({ min: 0, max: 1_000 }),
      evidence: fc.constantFrom('provider' as const, 'clock' as const),
    }),
    { maxLength: 30 },
  );

  function follow(told: readonly BillingChange[]): readonly LedgerEntry[] {
    const entries: LedgerEntry[] = [];
    let current: OpenInterval | undefined;
    for (const change of told) {
      const { closed, open: next } = changeBilling(account(), current, change);
      if (closed) entries.push(closed);
      current = next;
    }
    return entries;
  }

  it('bills no instant twice, in whatever order changes come', () => {
    fc.assert(
      fc.property(changes, (told) => {
        const entries = [...distinctEntries(follow(told))].sort((a, b) => a.fromMs - b.fromMs);
        for (const [index, { fromMs, toMs }] of entries.entries()) {
          expect(toMs).toBeGreaterThan(fromMs);
          const next = entries[index + 1];
          // A guest that ended is never opened again (its record says so); here, where it may be, order is by telling.
          if (next && !told.some(({ state }) => state === 'ended')) {
            expect(next.fromMs).toBeGreaterThanOrEqual(toMs);
          }
        }
      }),
    );
  });

  it('gives the same entries when every change is told twice', () => {
    fc.assert(
      fc.property(changes, (told) => {
        expect(follow(told.flatMap((change) => [change, change]))).toEqual(follow(told));
      }),
    );
  });
});
