/** The ledger against the simulators' own billing meters, which share no code with it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sum, toMicroUsd } from '../../src/core/exact.ts';
import { changeBilling, type LedgerEntry, type OpenInterval, priceEntry } from '../../src/core/ledger.ts';
import type { MeteredSpan } from '../../src/simulators/meter.ts';
import { compareLedger } from '../support/ledger-error.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { account, BOOK } from './ledger-case.ts';

/** A driver's poll is a tenth of the time that it has waited; these simulators are done within a second. */
const POLL_MS = 250;

let test: TestSystem;
let spans: readonly MeteredSpan[];
let endedAtMs: number;

beforeAll(async () => {
  test = await startTestSystem({});
  const { producer } = test;
  for (const preferredProvider of ['pve-vm', 'morph']) {
    const { id } = await producer.start({ preset: PRESET, preferredProvider, allowFallback: false });
    await producer.pause(id);
    await producer.resume(id);
    await producer.destroy(id);
    await producer.start({ preset: PRESET, preferredProvider, allowFallback: false });
  }
  endedAtMs = Date.now();
  const { pve, morph } = test.simulators;
  spans = [...pve.metered(), ...morph.metered()];
});
afterAll(() => test.close());

describe('the ledger and the meters of the providers', () => {
  it('agree over HTTP within a second and a poll for each edge, guest by guest and state by state', async () => {
    const errors = await compareLedger(test.system.store, spans, endedAtMs);
    expect(new Set(errors.map(({ provider }) => provider))).toEqual(new Set(['pve-vm', 'morph']));
    expect(errors.some(({ state }) => state === 'paused')).toBe(true);
    for (const error of errors) {
      // A state that the meter never saw has at least the edges of the ledger's own interval.
      const bound = Math.max(2, error.edges) * (1_000 + POLL_MS);
      expect(Math.abs(error.errorMs), JSON.stringify(error)).toBeLessThanOrEqual(bound);
    }
  });

  it("are equal to the micro-dollar when the ledger is fed with the meter's instants", () => {
    const morph = test.simulators.morph.metered();
    const guests = new Set(morph.map(({ guest }) => guest));
    const entries: LedgerEntry[] = [];
    let meterNanoUsdMs = 0n;
    for (const guest of guests) {
      let open: OpenInterval | undefined;
      const ofGuest = morph.filter((span) => span.guest === guest).sort((a, b) => a.fromMs - b.fromMs);
      const of = account({ guestId: guest });
      for (const { state, fromMs } of ofGuest) {
        const next = changeBilling(of, open, { state, atMs: fromMs, evidence: 'provider' });
        if (next.closed) entries.push(next.closed);
        open = next.open;
      }
      const endMs = ofGuest.at(-1)?.toMs ?? 0;
      const last = changeBilling(of, open, { state: 'ended', atMs: endMs, evidence: 'provider' });
      if (last.closed) entries.push(last.closed);
      // 4 MCU at $0.05, or 40 GiB at $0.00001, in billionths of a dollar an hour.
      for (const { state, fromMs, toMs } of ofGuest) {
        meterNanoUsdMs += BigInt(toMs - fromMs) * (state === 'running' ? 200_000_000n : 400_000n);
      }
    }
    const ledger = sum(entries.map((entry) => priceEntry(BOOK, entry)));
    expect(ledger.numerator * 1_000_000_000n * 3_600_000n).toBe(meterNanoUsdMs * ledger.denominator);
    expect(toMicroUsd(ledger)).toBeGreaterThan(0);
  });
});
