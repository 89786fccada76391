/**
 * Money without floats: fractions of whole numbers. A sum of prices is exact however many there are, and is
 * rounded once, where it is shown.
 */

/** `numerator / denominator`, in US dollars where it is money. The denominator is above 0. */
export interface Exact {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export const ZERO: Exact = { numerator: 0n, denominator: 1n };

/** Reported amounts are whole numbers of this many parts of a dollar. */
export const MICRO = 1_000_000n;

const DECIMAL = /^(\d{1,15})(?:\.(\d{1,15}))?$/;

/** Reads `0.05` as 5/100; `undefined` for anything but a plain decimal number that is not negative. */
export function parseDecimal(text: string): Exact | undefined {
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, whole = '0', fraction = ''] = match;
  return reduce({ numerator: BigInt(whole + fraction), denominator: 10n ** BigInt(fraction.length) });
}

export function add(a: Exact, b: Exact): Exact {
  // Prices share few denominators; without this, adding up would spend its time in reducing.
  if (a.denominator === b.denominator) {
    return { numerator: a.numerator + b.numerator, denominator: a.denominator };
  }
  return reduce({
    numerator: a.numerator * b.denominator + b.numerator * a.denominator,
    denominator: a.denominator * b.denominator,
  });
}

export function subtract(a: Exact, b: Exact): Exact {
  return add(a, { numerator: -b.numerator, denominator: b.denominator });
}

/** `a × by / over`. */
export function scale(a: Exact, by: bigint, over: bigint = 1n): Exact {
  return { numerator: a.numerator * by, denominator: a.denominator * over };
}

export function sum(amounts: Iterable<Exact>): Exact {
  let total = ZERO;
  for (const amount of amounts) total = add(total, amount);
  return total;
}

/** Below 0, 0 or above 0, as `a` is less than, equal to or more than `b`. */
export function compare(a: Exact, b: Exact): number {
  if (a.denominator === b.denominator) {
    return a.numerator < b.numerator ? -1 : a.numerator > b.numerator ? 1 : 0;
  }
  const difference = a.numerator * b.denominator - b.numerator * a.denominator;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** In micro-dollars, half up. */
export function toMicroUsd(amount: Exact): number {
  return Number(floorDivide(2n * amount.numerator * MICRO + amount.denominator, 2n * amount.denominator));
}

export interface RoundedLines {
  readonly totalMicroUsd: number;
  /** In the order of the amounts; they add up to the total exactly. */
  readonly microUsd: readonly number[];
}

/**
 * Rounds the total, then each line, so that the lines add up to it: every line is rounded down, and what is
 * missing goes, a micro-dollar each, to the lines that lost most (largest remainder; on a tie the earlier one).
 */
export function roundLines(amounts: readonly Exact[]): RoundedLines {
  const total = toMicroUsd(sum(amounts));
  const floors = amounts.map(({ numerator, denominator }) => floorDivide(numerator * MICRO, denominator));
  let missing = total - Number(floors.reduce((before, floor) => before + floor, 0n));
  const byLoss = amounts
    .map((amount, index) => ({ index, loss: lossOf(amount, floors[index] ?? 0n) }))
    .sort((a, b) => compare(b.loss, a.loss) || a.index - b.index);
  const microUsd = floors.map(Number);
  for (const { index } of byLoss) {
    if (missing <= 0) break;
    microUsd[index] = (microUsd[index] ?? 0) + 1;
    missing -= 1;
  }
  return { totalMicroUsd: total, microUsd };
}

function lossOf({ numerator, denominator }: Exact, floor: bigint): Exact {
  return { numerator: numerator * MICRO - floor * denominator, denominator };
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

function reduce({ numerator, denominator }: Exact): Exact {
  let a = numerator < 0n ? -numerator : numerator;
  let b = denominator;
  while (b > 0n) [a, b] = [b, a % b];
  return a > 1n ? { numerator: numerator / a, denominator: denominator / a } : { numerator, denominator };
}
