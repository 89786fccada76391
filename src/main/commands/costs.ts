import { Option } from 'commander';
import type { CostsView } from '../../core/costs.ts';
import { dayOf, dayText } from '../../core/day.ts';
import { COST_GROUPS, type CostGroup } from '../../core/usage.ts';
import { hours, renderSheets, type Sheet, usd } from '../sheet.ts';
import { type AddCommand, asking } from './command.ts';
import { instant, wholeNumber } from './options.ts';

interface CostsOptions {
  readonly from?: number;
  readonly to?: number;
  readonly by: CostGroup;
  readonly limit: number;
}

export const addCosts: AddCommand = (program, context) => {
  program
    .command('costs')
    .description('what sandboxes cost; this month so far, by provider, unless told otherwise')
    .option('--from <day>', 'a day or a moment (UTC)', instant)
    .option('--to <day>', 'a day or a moment (UTC)', instant)
    .addOption(new Option('--by <group>', 'what the lines are by').choices(COST_GROUPS).default('provider'))
    .option('--limit <lines>', 'how many lines', wholeNumber(1, 10_000), 100)
    .action(
      asking<CostsOptions, []>(context, async ({ connection: { client }, output, options }) => {
        const { from, to, by, limit } = options;
        const times = {
          ...(from === undefined ? {} : { fromMs: from }),
          ...(to === undefined ? {} : { toMs: to }),
        };
        const costs = await client.costs({ ...times, groupBy: by, limit });
        output.show(costs, (width) => renderSheets([costsSheet(costs)], output.format, width));
      }),
    );
};

export function costsSheet(costs: CostsView): Sheet {
  const { lines, others, groupBy, unpriced } = costs;
  const rows = lines.map(({ kind, group, microUsd, ms }) => [
    kind === 'other'
      ? (group.line ?? '')
      : kind === 'allocated'
        ? groupBy.map((by) => group[by] ?? '').join(' ')
        : `${group.node ?? ''} ${kind}`.trim(),
    usd(microUsd),
    hours(ms.running ?? 0),
    hours((ms.paused ?? 0) + (ms.stored ?? 0)),
  ]);
  if (others.lines > 0) rows.push([`${others.lines} more`, usd(others.microUsd), '', '']);
  return {
    title: `Costs from ${dayText(dayOf(costs.fromMs))} to ${new Date(costs.toMs).toISOString().slice(0, 16)} UTC`,
    head: [groupBy.join(' ') || 'all', 'cost', 'running', 'paused'],
    dispensable: ['paused', 'running'],
    rows: [...rows, ['total', usd(costs.totalMicroUsd), '', '']],
    notes: [
      ...unpriced.map(
        ({ provider, node, ms }) => `Without a price, and in no amount: ${hours(ms)} on ${node ?? provider}.`,
      ),
      `Prices as of ${costs.pricesAsOf}.`,
    ],
  };
}
