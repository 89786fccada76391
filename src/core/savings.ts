/**
 * What sandboxes cost, held against what the same history would have cost under another policy
 * (`counterfactual.ts`). Computed by day, from the ledger's own intervals; a month is the sum of its days.
 */
import { asUnder, COUNTERFACTUALS, type CounterfactualName, type SandboxHistory } from './counterfactual.ts';
import { DAY_MS, type Day, splitByDay } from './day.ts';
import type { LedgerEntry } from './ledger.ts';
import type { PriceBook } from './price-book.ts';
import type { UsageRow } from './usage.ts';
import { priceUsage } from './usage-cost.ts';

/** Most and least favourable reading of a policy. */
export interface Bounds {
  readonly lowerMicroUsd: number;
  readonly upperMicroUsd: number;
}

export interface DaySavings {
  /** `2026-11-22` (UTC) */
  readonly day: string;
  /** Guests, and what nodes cost beyond them. */
  readonly actualMicroUsd: number;
  readonly under: Readonly<Record<CounterfactualName, Bounds>>;
  /** Time of running guests, and how many ran at once at the most. */
  readonly runningMs: number;
  readonly peakRunning: number;
}

export interface PeriodSavings extends Omit<DaySavings, 'day'> {
  /** A day, or a month such as `2026-11`. */
  readonly period: string;
  /** How much less than under each policy, by its lower and by its upper reading; below 0: more. */
  readonly savedPercent: Readonly<Record<CounterfactualName, readonly [lower: number, upper: number]>>;
}

export interface SavingsOptions {
  /** Unix time, ms. Default: the beginning of this month (UTC). */
  readonly fromMs?: number;
  /** Default: now. */
  readonly toMs?: number;
}

export interface SavingsView {
  readonly currency: 'USD';
  readonly days: readonly PeriodSavings[];
  readonly months: readonly PeriodSavings[];
  /** Absent before the first comparison. */
  readonly comparedAtMs?: number;
  readonly target: { readonly sandboxesPercent: readonly [70, 90]; readonly totalMicroUsd: number };
  /** How each policy is computed and what is assumed, in words. */
  readonly methods: readonly { readonly policy: CounterfactualName; readonly method: string }[];
}

/** The roadmap's: 70-90 % for sandboxes, and $300 a month in total. */
export const TARGET: SavingsView['target'] = { sandboxesPercent: [70, 90], totalMicroUsd: 300_000_000 };

export const METHODS: SavingsView['methods'] = [
  {
    policy: 'all_on_morph',
    method:
      "Every sandbox at Morph's prices, running and paused as it was. No node is paid for. One reading: both bounds are equal.",
  },
  {
    policy: 'no_idle_suspend',
    method:
      'Where it ran, with nothing suspended. Lower: every pause was a caller’s and stays, so it is what was paid. Upper: every pause was a sweep’s and would have been running time.',
  },
  {
    policy: 'old_rule',
    method:
      'All on Morph, paused an hour after start or wake, woken by any request, and at 21:00 UTC when older than 20 h; no guest of a failed start. Lower: nothing but the use that was, each stretch rounded up to whole hours. Upper: an open tab keeps it awake until it is destroyed, but for nights. The ledger does not know which tabs were open, so the truth lies between.',
  },
];

/** Usage under one reading, day by day: rows that are alike are one, so that it stays small however long the history. */
export interface UsageSum {
  add(entries: readonly LedgerEntry[]): void;
  rowsOf(day: Day): readonly UsageRow[];
}

export function createUsageSum(days: ReadonlySet<Day>): UsageSum {
  const sums = new Map<Day, Map<string, UsageRow>>();
  return {
    add(entries) {
      for (const { account, state, fromMs, toMs } of entries) {
        const { provider, failureDomain, node, size } = account;
        const name = [provider, failureDomain, node, size.vcpus, size.memoryMib, size.diskGib, state].join(
          '|',
        );
        for (const part of splitByDay(fromMs, toMs)) {
          if (!days.has(part.day)) continue;
          const ofDay = sums.get(part.day) ?? new Map<string, UsageRow>();
          sums.set(part.day, ofDay);
          const ms = part.toMs - part.fromMs + (ofDay.get(name)?.ms ?? 0);
          const place = node === undefined ? {} : { node };
          ofDay.set(name, { day: part.day, ms, state, size, provider, failureDomain, ...place });
        }
      }
    },
    rowsOf: (day) => [...(sums.get(day)?.values() ?? [])],
  };
}

export interface Comparison {
  /** All intervals of one sandbox, in order of time. */
  add(history: SandboxHistory): void;
  priceDay(book: PriceBook, day: Day, nowMs: number): Omit<DaySavings, 'day'>;
}

/** Adds up sandboxes one by one: only the sums are kept. */
export function createComparison(days: ReadonlySet<Day>): Comparison {
  const actual = createUsageSum(days);
  const running = createRunning(days);
  const readings = COUNTERFACTUALS.map((name) => ({
    name,
    lower: createUsageSum(days),
    upper: createUsageSum(days),
  }));
  return {
    add(history) {
      actual.add(history);
      running.add(history);
      for (const { name, lower, upper } of readings) {
        const reading = asUnder(name, history);
        lower.add(reading.lower);
        upper.add(reading.upper);
      }
    },
    priceDay(book, day, nowMs) {
      const time = { fromMs: day * DAY_MS, toMs: Math.min((day + 1) * DAY_MS, nowMs) };
      const price = (rows: readonly UsageRow[], withNodes: boolean) =>
        priceUsage(book, rows, { groupBy: [], ...time, withNodes }).totalMicroUsd;
      const under = readings.map(({ name, lower, upper }) => {
        // Whoever has everything on Morph pays for no node.
        const withNodes = name === 'no_idle_suspend';
        const both = [lower, upper].map((reading) => price(reading.rowsOf(day), withNodes));
        return [name, { lowerMicroUsd: Math.min(...both), upperMicroUsd: Math.max(...both) }] as const;
      });
      return {
        actualMicroUsd: price(actual.rowsOf(day), true),
        under: Object.fromEntries(under) as DaySavings['under'],
        ...running.of(day),
      };
    },
  };
}

/** Beginnings and ends of what ran on a day. */
function createRunning(days: ReadonlySet<Day>) {
  const edges = new Map<Day, { readonly atMs: number; readonly change: 1 | -1 }[]>();
  return {
    add(history: SandboxHistory): void {
      for (const { fromMs, toMs } of history.filter(({ state }) => state === 'running')) {
        for (const part of splitByDay(fromMs, toMs).filter(({ day }) => days.has(day))) {
          const ofDay = edges.get(part.day) ?? [];
          edges.set(part.day, ofDay);
          ofDay.push({ atMs: part.fromMs, change: 1 }, { atMs: part.toMs, change: -1 });
        }
      }
    },
    of(day: Day): Pick<DaySavings, 'runningMs' | 'peakRunning'> {
      // One that ends as another begins does not run beside it.
      const inOrder = (edges.get(day) ?? []).toSorted((a, b) => a.atMs - b.atMs || a.change - b.change);
      let now = 0;
      let peakRunning = 0;
      let runningMs = 0;
      for (const { atMs, change } of inOrder) {
        runningMs -= atMs * change;
        now += change;
        peakRunning = Math.max(peakRunning, now);
      }
      return { runningMs, peakRunning };
    },
  };
}

export function summarizeSavings(days: readonly DaySavings[]): Pick<SavingsView, 'days' | 'months'> {
  const months = new Map<string, DaySavings[]>();
  for (const each of days) {
    const month = each.day.slice(0, 'yyyy-mm'.length);
    months.set(month, [...(months.get(month) ?? []), each]);
  }
  return {
    days: days.map((each) => sumUp(each.day, [each])),
    months: [...months].map(([month, ofMonth]) => sumUp(month, ofMonth)),
  };
}

function sumUp(period: string, days: readonly DaySavings[]): PeriodSavings {
  const sumOf = (pick: (day: DaySavings) => number) => days.reduce((sum, day) => sum + pick(day), 0);
  const actualMicroUsd = sumOf((day) => day.actualMicroUsd);
  const under = Object.fromEntries(
    COUNTERFACTUALS.map((name) => [
      name,
      {
        lowerMicroUsd: sumOf((day) => day.under[name].lowerMicroUsd),
        upperMicroUsd: sumOf((day) => day.under[name].upperMicroUsd),
      },
    ]),
  ) as DaySavings['under'];
  const savedPercent = Object.fromEntries(
    COUNTERFACTUALS.map((name) => [
      name,
      [
        savedIn(actualMicroUsd, under[name].lowerMicroUsd),
        savedIn(actualMicroUsd, under[name].upperMicroUsd),
      ],
    ]),
  ) as unknown as PeriodSavings['savedPercent'];
  const runningMs = sumOf((day) => day.runningMs);
  const peakRunning = Math.max(0, ...days.map((day) => day.peakRunning));
  return { period, actualMicroUsd, under, savedPercent, runningMs, peakRunning };
}

/** To a tenth. Where the policy would have cost nothing there is nothing to save. */
function savedIn(actual: number, under: number): number {
  return under === 0 ? 0 : Math.round(((under - actual) / under) * 1_000) / 10;
}
