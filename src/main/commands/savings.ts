import { COUNTERFACTUALS, type CounterfactualName } from '../../core/counterfactual.ts';
import type { PeriodSavings, SavingsView } from '../../core/savings.ts';
import { renderSheets, type Sheet, usd, usdRange } from '../sheet.ts';
import { type AddCommand, asking } from './command.ts';
import { instant } from './options.ts';

interface SavingsCommandOptions {
  readonly from?: number;
  readonly to?: number;
  readonly days?: true;
}

export const addSavings: AddCommand = (program, context) => {
  program
    .command('savings')
    .description('what sandboxes cost, and would have cost under other policies, with bounds')
    .option('--from <day>', 'a day (UTC); default: the first of this month', instant)
    .option('--to <day>', 'a day (UTC), left out itself', instant)
    .option('--days', 'day by day instead of by month')
    .action(
      asking<SavingsCommandOptions, []>(context, async ({ connection: { client }, output, options }) => {
        const { from, to, days } = options;
        const savings = await client.savings({
          ...(from === undefined ? {} : { fromMs: from }),
          ...(to === undefined ? {} : { toMs: to }),
        });
        output.show(savings, (width) =>
          renderSheets([savingsSheet(savings, days ? savings.days : savings.months)], output.format, width),
        );
      }),
    );
};

const POLICY_TEXTS: Readonly<Record<CounterfactualName, string>> = {
  all_on_morph: 'all on Morph',
  no_idle_suspend: 'nothing suspended',
  old_rule: 'the old rule',
};

/** What it would have cost, and in brackets how much less it did. */
function headOf(name: CounterfactualName): string {
  return `${POLICY_TEXTS[name]} (saved)`;
}

export function savingsSheet(savings: SavingsView, periods: readonly PeriodSavings[]): Sheet {
  const { methods, comparedAtMs } = savings;
  return {
    title: 'Savings',
    head: ['period', 'cost', ...COUNTERFACTUALS.map(headOf)],
    dispensable: [headOf('no_idle_suspend'), headOf('old_rule')],
    rows: periods.map(({ period, actualMicroUsd, under, savedPercent }) => [
      period,
      usd(actualMicroUsd),
      ...COUNTERFACTUALS.map((name) => {
        const { lowerMicroUsd, upperMicroUsd } = under[name];
        const [lower, upper] = savedPercent[name];
        const saved = lower === upper ? `${lower} %` : `${lower} to ${upper} %`;
        return `${usdRange(lowerMicroUsd, upperMicroUsd)} (${saved})`;
      }),
    ]),
    notes: [
      ...methods.map(({ policy, method }) => `${POLICY_TEXTS[policy]}: ${method}`),
      comparedAtMs === undefined
        ? 'Nothing was compared yet: the sweep compare-costs runs every hour.'
        : `Compared at ${new Date(comparedAtMs).toISOString()}.`,
    ],
  };
}
