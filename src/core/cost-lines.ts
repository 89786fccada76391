/**
 * The bill beyond sandboxes: the roadmap's other lines (AI providers, Convex, edge router, frontend, backend). Fixed
 * ones cost their month, each day of it the same, and stand in the price book; metered ones are told when somebody
 * knows them, and count on their day.
 */
import { DAY_MS, type Day, dayText, splitByDay } from './day.ts';
import { add, type Exact, roundLines, scale, sum } from './exact.ts';
import { type FixedLine, isPricedOn, nodeCostPerDay, type PriceBook } from './price-book.ts';
import type { CostLine } from './usage.ts';

export interface MeteredLine {
  /** The teller's own: told twice it counts once. */
  readonly id: string;
  /** Such as `ai` or `convex`. */
  readonly line: string;
  readonly microUsd: number;
  readonly day: Day;
}

/** As everybody is told of it. */
export interface MeteredLineView {
  readonly id: string;
  readonly line: string;
  readonly usd: number;
  /** `2026-11-22` */
  readonly atDay: string;
}

export function viewMeteredLine({ id, line, microUsd, day }: MeteredLine): MeteredLineView {
  return { id, line, usd: microUsd / 1_000_000, atDay: dayText(day) };
}

export interface OtherCosts {
  readonly totalMicroUsd: number;
  /** One per line, or per line and day; they add up to the total. */
  readonly lines: readonly CostLine[];
}

export function otherCosts(
  book: Pick<PriceBook, 'lines'>,
  metered: readonly MeteredLine[],
  { fromMs, toMs, byDay }: { readonly fromMs: number; readonly toMs: number; readonly byDay: boolean },
): OtherCosts {
  const sums = new Map<string, { readonly group: CostLine['group']; readonly amount: Exact }>();
  const count = (line: string, day: Day, amount: Exact) => {
    const group = byDay ? { line, day: dayText(day) } : { line };
    const name = Object.values(group).join('|');
    const known = sums.get(name)?.amount;
    sums.set(name, { group, amount: known ? add(known, amount) : amount });
  };
  for (const fixed of book.lines ?? []) countFixed(fixed, { fromMs, toMs }, count);
  for (const { line, microUsd, day } of metered) {
    const atMs = day * DAY_MS;
    if (fromMs <= atMs && atMs < toMs) {
      count(line, day, { numerator: BigInt(microUsd), denominator: 1_000_000n });
    }
  }
  const found = [...sums.values()];
  const { totalMicroUsd, microUsd } = roundLines(found.map(({ amount }) => amount));
  return {
    totalMicroUsd,
    lines: found.map(({ group }, index) => ({
      kind: 'other',
      group,
      microUsd: microUsd[index] ?? 0,
      ms: {},
    })),
  };
}

function countFixed(
  fixed: FixedLine,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  count: (line: string, day: Day, amount: Exact) => void,
): void {
  for (const part of splitByDay(fromMs, toMs)) {
    if (!isPricedOn(fixed, part.day)) continue;
    const whole = nodeCostPerDay(fixed, part.day);
    count(fixed.line, part.day, scale(whole, BigInt(part.toMs - part.fromMs), BigInt(DAY_MS)));
  }
}

/** What fixed lines cost in one hour of a day. */
export function fixedPerHour(book: Pick<PriceBook, 'lines'>, day: Day): Exact {
  const perDay = (book.lines ?? [])
    .filter((line) => isPricedOn(line, day))
    .map((line) => nodeCostPerDay(line, day));
  return scale(sum(perDay), 1n, 24n);
}
