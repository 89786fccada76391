import { InvalidArgumentError } from 'commander';
import type { LifecycleClient } from '../../core/client.ts';
import { monthStartMs, monthText, nextMonthStartMs } from '../../core/day.ts';
import { fallbackCost } from '../../core/fallback-cost.ts';
import type { OperationKind } from '../../core/operation.ts';
import type { ProviderName } from '../../core/provider-name.ts';
import type { PeriodSavings } from '../../core/savings.ts';
import type { CostLine } from '../../core/usage.ts';
import type { OperationView, ProviderView } from '../../core/views.ts';
import { type Latency, type Review, reviewSheets, type VirtualMachines } from '../review.ts';
import { renderSheets } from '../sheet.ts';
import { type AddCommand, asking } from './command.ts';
import { costsSheet } from './costs.ts';
import { savingsSheet } from './savings.ts';

interface ReportOptions {
  readonly month: string;
}

export const addReport: AddCommand = (program, context) => {
  program
    .command('report')
    .description('the monthly review: spend, savings, concurrency, and the roadmap’s open questions')
    .option('--month <month>', 'such as 2026-11; default: this month so far', month, monthText(Date.now()))
    .action(
      asking<ReportOptions, []>(context, async ({ connection: { client }, output, options }) => {
        const review = await gather(client, options.month);
        const { costs, savings } = review;
        output.show(review, (width) =>
          renderSheets(
            [...reviewSheets(review), costsSheet(costs), savingsSheet(savings, savings.months)],
            output.format,
            width,
          ),
        );
      }),
    );
};

function month(text: string): string {
  if (/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) return text;
  throw new InvalidArgumentError('Give a month, such as 2026-11.');
}

async function gather(client: LifecycleClient<never>, monthName: string): Promise<Review> {
  const fromMs = monthStartMs(Date.parse(`${monthName}-01T00:00:00Z`));
  const times = { fromMs, toMs: Math.min(nextMonthStartMs(fromMs), Date.now()) };
  const [costs, byMeantFor, savings, { operations }, providers] = await Promise.all([
    client.costs({ ...times, groupBy: 'provider' }),
    client.costs({ ...times, groupBy: ['provider', 'meantFor'], limit: MAX_LINES }),
    client.savings(times),
    client.operations({ state: 'succeeded', limit: SAMPLE }),
    client.providers(),
  ]);
  const concurrency = concurrencyOf(
    savings.months.find(({ period }) => period === monthName),
    times,
  );
  const resumes = operations.filter(({ kind }) => kind === 'resume');
  return {
    month: monthName,
    costs,
    savings,
    ...(concurrency ? { concurrency } : {}),
    fallbacks: fallbackCost(byMeantFor.lines),
    ramSnapshotHours: hoursIn('paused', byMeantFor.lines),
    virtualMachines: virtualMachines(byMeantFor.lines, providers),
    startLatency: latencies(operations, 'start'),
    resumeLatency: latencies(operations, 'resume'),
    resumes: {
      count: resumes.length,
      memoryKept: resumes.filter(({ memoryKept }) => memoryKept === true).length,
    },
  };
}

const HOUR_MS = 3_600_000;
/** Each provider with each that it was meant for, and two lines for each node. */
const MAX_LINES = 1_000;
/** As many as one page holds. */
const SAMPLE = 200;

/** Rounded: a share of an hour answers nothing. */
function hoursIn(state: 'running' | 'paused', lines: readonly CostLine[]): number {
  return Math.round(lines.reduce((sum, { ms }) => sum + (ms[state] ?? 0), 0) / HOUR_MS);
}

function virtualMachines(lines: readonly CostLine[], providers: readonly ProviderView[]): VirtualMachines {
  const theirs = lines.filter(({ group }) => group.provider === 'pve-vm');
  return {
    runningHours: hoursIn('running', theirs),
    ramSnapshotHours: hoursIn('paused', theirs),
    simulated: providers.some(({ provider, simulated }) => provider === 'pve-vm' && simulated),
  };
}

function concurrencyOf(
  period: PeriodSavings | undefined,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Review['concurrency'] {
  if (period === undefined || toMs <= fromMs) return undefined;
  return { peak: period.peakRunning, mean: Math.round((period.runningMs / (toMs - fromMs)) * 10) / 10 };
}

function latencies(operations: readonly OperationView[], wanted: OperationKind): readonly Latency[] {
  const byProvider = new Map<ProviderName, number[]>();
  for (const { kind, attempts, createdAtMs, settledAtMs } of operations) {
    const provider = attempts.at(-1)?.provider;
    if (kind !== wanted || provider === undefined || settledAtMs === undefined) continue;
    byProvider.set(provider, [...(byProvider.get(provider) ?? []), settledAtMs - createdAtMs]);
  }
  return [...byProvider].map(([provider, durations]) => {
    durations.sort((a, b) => a - b);
    const at = (portion: number) =>
      durations[Math.min(durations.length - 1, Math.floor(durations.length * portion))] ?? 0;
    return { provider, count: durations.length, medianMs: at(0.5), p95Ms: at(0.95) };
  });
}
