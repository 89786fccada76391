import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add, type Exact, parseDecimal, roundLines, sum, toMicroUsd } from '../../src/core/exact.ts';
import { usd } from './ledger-case.ts';

const amounts = fc
  .tuple(fc.bigInt({ min: 0n, max: 10n ** 8n }), fc.bigInt({ min: 1n, max: 10n ** 12n }))
  .map(([numerator, denominator]): Exact => ({ numerator, denominator }));

describe('exact money', () => {
  it.each([
    ['0.05', 50_000],
    ['60', 60_000_000],
    ['0.00001', 10],
    ['0.0000005', 1],
    ['0.0000004', 0],
  ])('reads %s as %d micro-dollars', (text, microUsd) => {
    expect(toMicroUsd(usd(text))).toBe(microUsd);
  });

  it.each(['', '-1', '1e-5', '.5', '1.', '0,05', '1 '])('refuses %j as a price', (text) => {
    expect(parseDecimal(text)).toBeUndefined();
  });

  it('adds a tenth ten times to exactly one', () => {
    expect(sum(Array.from({ length: 10 }, () => usd('0.1')))).toEqual(add(usd('0.3'), usd('0.7')));
  });

  it('rounds lines so that they add up to the rounded total, none by a micro-dollar or more', () => {
    fc.assert(
      fc.property(fc.array(amounts, { maxLength: 40 }), (lines) => {
        const { totalMicroUsd, microUsd } = roundLines(lines);
        expect(totalMicroUsd).toBe(toMicroUsd(sum(lines)));
        expect(microUsd.reduce((before, line) => before + line, 0)).toBe(totalMicroUsd);
        for (const [index, line] of lines.entries()) {
          const { numerator, denominator } = line;
          const distance = BigInt(microUsd[index] ?? 0) * denominator - numerator * 1_000_000n;
          expect(distance > -denominator && distance < denominator).toBe(true);
        }
      }),
    );
  });

  it('gives a third of a dollar three times as 333334, 333333 and 333333', () => {
    const third = { numerator: 1n, denominator: 3n };
    expect(roundLines([third, third, third])).toEqual({
      totalMicroUsd: 1_000_000,
      microUsd: [333_334, 333_333, 333_333],
    });
  });
});
