/** What callers ask about money, and what they are told: the same from every transport. */
import type { BilledDay } from './billed.ts';
import { DAY_MS, dayOf, monthStartMs } from './day.ts';
import type { CostGroup, CostLine, PricedUsage } from './usage.ts';

export interface CostOptions {
  /** Unix time, ms. Default: the beginning of this month (UTC). */
  readonly fromMs?: number;
  /** Unix time, ms. Default, and at the latest: now. */
  readonly toMs?: number;
  /** What the lines are by; several make a line for each combination. Default `provider`. */
  readonly groupBy?: CostGroup | readonly CostGroup[];
  /** 1 to 10,000, default 100. The dearest lines are given, the others summed up. */
  readonly limit?: number;
}

export interface CostQuery {
  readonly fromMs: number;
  readonly toMs: number;
  readonly nowMs: number;
  readonly groupBy: readonly CostGroup[];
  readonly limit: number;
  /** Only what this team's guests cost; nodes are nobody's then. */
  readonly teamId?: string;
}

export interface CostsView extends PricedUsage {
  readonly fromMs: number;
  readonly toMs: number;
  readonly currency: 'USD';
  /** The day on which somebody last looked at the prices. */
  readonly pricesAsOf: string;
  /** What of the total is no part of sandboxes: the other lines of the bill. */
  readonly otherMicroUsd: number;
  readonly groupBy: readonly CostGroup[];
  /** What providers charged for the whole days of that time, as far as they tell. None for a team. */
  readonly billed: readonly BilledDay[];
  /** Lines beyond the limit. Lines and others add up to the total. */
  readonly others: { readonly lines: number; readonly microUsd: number };
}

/** Some 2 MB of JSON. */
const MAX_LINES = 10_000;

/** How far back time is known by sandbox, and to the millisecond. */
export const RAW_DAYS = 45;
/** 13 months. */
export const USAGE_DAYS = 397;

/**
 * Fills in what was left out. A time that lies before what is kept to the millisecond is widened to whole days; the
 * answer says what it is of.
 */
export function planCostQuery(
  { fromMs, toMs, groupBy = 'provider', limit = 100 }: CostOptions,
  nowMs: number,
): CostQuery | { readonly problem: string } {
  const to = Math.min(toMs ?? nowMs, nowMs);
  const from = fromMs ?? monthStartMs(to);
  if (from > to) return { problem: 'from: it is later than to' };
  if (from < nowMs - USAGE_DAYS * DAY_MS) return { problem: `from: costs are kept for ${USAGE_DAYS} days` };
  if (!(limit >= 1 && limit <= MAX_LINES)) return { problem: `limit: it is 1 to ${MAX_LINES}` };
  const groups = typeof groupBy === 'string' ? [groupBy] : groupBy;
  const rawFromMs = dayOf(nowMs - RAW_DAYS * DAY_MS) * DAY_MS + DAY_MS;
  if (groups.includes('sandbox') && from < rawFromMs) {
    return {
      problem: `groupBy: costs by sandbox are kept for ${RAW_DAYS} days; the ledger's files hold all`,
    };
  }
  const widenDown = (ms: number) => (ms < rawFromMs ? dayOf(ms) * DAY_MS : ms);
  const widenUp = (ms: number) => (ms < rawFromMs ? Math.ceil(ms / DAY_MS) * DAY_MS : ms);
  return { fromMs: widenDown(from), toMs: widenUp(to), nowMs, groupBy: groups, limit };
}

/** The dearest lines, and the sum of the others. @param beyond those that are not among the lines any more */
export function limitLines(
  lines: readonly CostLine[],
  limit: number,
  beyond: CostsView['others'],
): Pick<CostsView, 'lines' | 'others'> {
  const others = lines.slice(limit);
  const microUsd = others.reduce((sum, line) => sum + line.microUsd, beyond.microUsd);
  return { lines: lines.slice(0, limit), others: { lines: beyond.lines + others.length, microUsd } };
}

/** For spreadsheets. A text that one might take for a formula is led in by an apostrophe. */
export function costsToCsv({ groupBy, lines, others }: CostsView): string {
  const states = ['running', 'paused', 'stored', 'condemned', 'unowned'] as const;
  const columns = ['kind', ...groupBy, 'node', 'usd', ...states.map((state) => `${state}_hours`)];
  const rows = lines.map(({ kind, group, microUsd, ms }) => [
    kind,
    ...groupBy.map((by) => group[by] ?? ''),
    group.node ?? '',
    usdText(microUsd),
    ...states.map((state) => ((ms[state] ?? 0) / 3_600_000).toFixed(4)),
  ]);
  const rest = ['others', ...groupBy.map(() => ''), '', usdText(others.microUsd), ...states.map(() => '')];
  const all = [columns, ...rows, ...(others.lines > 0 ? [rest] : [])];
  return all.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

/** `12.345678`: micro-dollars, without a float in between. */
export function usdText(microUsd: number): string {
  const digits = String(Math.abs(microUsd)).padStart(7, '0');
  return `${microUsd < 0 ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

function csvCell(text: string): string {
  const safe = /^[=+@\t\r]|^-(?!\d)/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
