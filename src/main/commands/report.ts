import { InvalidArgumentError } from 'commander';
import type { LifecycleClient } from '../../core/client.ts';
import type { CostsView } from '../../core/costs.ts';
import { monthStartMs, monthText, nextMonthStartMs } from '../../core/day.ts';
import { type FallbackCost, fallbackCost } from '../../core/fallback-cost.ts';
import type { ProviderName } from '../../core/provider-name.ts';
import type { PeriodSavings, SavingsView } from '../../core/savings.ts';
import { renderSheets, type Sheet, usd } from '../sheet.ts';
import { type AddCommand, asking } from './command.ts';
import { costsSheet } from './costs.ts';
import { savingsSheet } from './savings.ts';

interface ReportOptions {
  readonly month: string;
}

interface StartLatency {
  readonly provider: ProviderName;
  readonly starts: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

interface Report {
  readonly month: string;
  readonly costs: CostsView;
  readonly savings: SavingsView;
  /** Sandboxes that ran at once. */
  readonly concurrency?: { readonly peak: number; readonly mean: number };
  /** What ran at Morph although it was meant for a node. */
  readonly fallbacks: FallbackCost;
  /** Time in which memory was kept while paused. */
  readonly ramSnapshotHours: number;
  /** Of the newest successful starts; operations are kept for a week. */
  readonly startLatency: readonly StartLatency[];
}

export const addReport: AddCommand = (program, context) => {
  program
    .command('report')
    .description('the monthly review: spend, savings, concurrency, and the roadmap’s open questions')
    .option('--month <month>', 'such as 2026-11; default: this month so far', month, monthText(Date.now()))
    .action(
      asking<ReportOptions, []>(context, async ({ connection: { client }, output, options }) => {
        const report = await gather(client, options.month);
        output.show(report, () => renderSheets(reportSheets(report), output.format));
      }),
    );
};

function month(text: string): string {
  if (/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) return text;
  throw new InvalidArgumentError('Give a month, such as 2026-11.');
}

async function gather(client: LifecycleClient<never>, monthName: string): Promise<Report> {
  const fromMs = monthStartMs(Date.parse(`${monthName}-01T00:00:00Z`));
  const times = { fromMs, toMs: Math.min(nextMonthStartMs(fromMs), Date.now()) };
  const [costs, byMeantFor, byState, savings, operations] = await Promise.all([
    client.costs({ ...times, groupBy: 'provider' }),
    client.costs({ ...times, groupBy: ['provider', 'meantFor'], limit: MAX_LINES }),
    client.costs({ ...times, groupBy: 'state' }),
    client.savings(times),
    client.operations({ state: 'succeeded', limit: SAMPLE }),
  ]);
  const pausedMs = byState.lines.reduce((sum, { ms }) => sum + (ms.paused ?? 0), 0);
  const concurrency = concurrencyOf(
    savings.months.find(({ period }) => period === monthName),
    times,
  );
  return {
    month: monthName,
    costs,
    savings,
    ...(concurrency ? { concurrency } : {}),
    fallbacks: fallbackCost(byMeantFor.lines),
    ramSnapshotHours: Math.round(pausedMs / HOUR_MS),
    startLatency: latencies(operations.operations),
  };
}

const HOUR_MS = 3_600_000;
/** Each provider with each that it was meant for, and two lines for each node. */
const MAX_LINES = 1_000;
/** As many as one page holds. */
const SAMPLE = 200;

function concurrencyOf(
  period: PeriodSavings | undefined,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Report['concurrency'] {
  if (period === undefined || toMs <= fromMs) return undefined;
  return { peak: period.peakRunning, mean: Math.round((period.runningMs / (toMs - fromMs)) * 10) / 10 };
}

function latencies(
  operations: Awaited<ReturnType<LifecycleClient<never>['operations']>>['operations'],
): readonly StartLatency[] {
  const byProvider = new Map<ProviderName, number[]>();
  for (const { kind, attempts, createdAtMs, settledAtMs } of operations) {
    const provider = attempts.at(-1)?.provider;
    if (kind !== 'start' || provider === undefined || settledAtMs === undefined) continue;
    byProvider.set(provider, [...(byProvider.get(provider) ?? []), settledAtMs - createdAtMs]);
  }
  return [...byProvider].map(([provider, durations]) => {
    durations.sort((a, b) => a - b);
    const at = (portion: number) =>
      durations[Math.min(durations.length - 1, Math.floor(durations.length * portion))] ?? 0;
    return { provider, starts: durations.length, medianMs: at(0.5), p95Ms: at(0.95) };
  });
}

function reportSheets(report: Report): readonly Sheet[] {
  const { month: name, costs, savings, concurrency, fallbacks, ramSnapshotHours, startLatency } = report;
  const period = savings.months.find((each) => each.period === name);
  const { target } = savings;
  const morphMicroUsd = costs.lines
    .filter(({ kind, group }) => kind === 'allocated' && group.provider === 'morph')
    .reduce((total, { microUsd }) => total + microUsd, 0);
  const saved = period?.savedPercent.old_rule;
  const none = 'not known: the sweep compare-costs has not seen this month';
  const latency = startLatency.map(
    ({ provider, medianMs, p95Ms, starts }) =>
      `${provider}: ${seconds(medianMs)}, p95 ${seconds(p95Ms)} (${starts} starts)`,
  );
  const answers: readonly (readonly [string, string])[] = [
    ['What do sandboxes cost a month?', usd(costs.totalMicroUsd - costs.otherMicroUsd)],
    [
      'Actual Morph spend per month?',
      `${usd(morphMicroUsd)}, of it ${usd(fallbacks.microUsd)} for ${Math.round(fallbacks.runningMs / HOUR_MS)} h that were meant for a node`,
    ],
    [
      `Is the total below ${usd(target.totalMicroUsd)}?`,
      `${usd(costs.totalMicroUsd)}, of it ${usd(costs.otherMicroUsd)} for other lines than sandboxes: ${costs.totalMicroUsd < target.totalMicroUsd ? 'yes' : 'no'}`,
    ],
    [
      `Saved ${target.sandboxesPercent.join('-')} % against the old rule?`,
      saved === undefined
        ? none
        : `${saved[0]} % by the reading that favours the old rule, ${saved[1]} % by the other`,
    ],
    [
      'How many sandboxes run at once?',
      concurrency === undefined ? none : `${concurrency.mean} on average, ${concurrency.peak} at the peak`,
    ],
    [
      'Are RAM snapshots used?',
      ramSnapshotHours === 0 ? 'no' : `${ramSnapshotHours} h of sandboxes paused with their memory`,
    ],
    ['How long does a start take?', latency.join('; ') || 'no start of the last week is known'],
  ];
  return [
    { title: `Review of ${name}`, head: ['question', 'answer'], rows: answers },
    costsSheet(costs),
    savingsSheet(savings, savings.months),
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
