import type { HistoryEntry } from '../../core/events.ts';
import type { IdleOutlook } from '../../core/idle-outlook.ts';
import type { WhyView } from '../../core/views.ts';
import { describeOperation } from '../describe-sandbox.ts';
import { type AddCommand, asking } from './command.ts';

export const addWhy: AddCommand = (program, context) => {
  program
    .command('why')
    .argument('<sandbox>', 'its id, ours or the provider’s')
    .description('who or what brought a sandbox into its state, and when it will be suspended')
    .action(
      asking<object, [string]>(context, async ({ connection, output, args: [id] }) => {
        const why = await connection.client.why(id);
        output.show(why, () => describeWhy(why));
      }),
    );
};

function describeWhy({ summary, operations, history, idle }: WhyView): string {
  return [
    summary,
    ...(idle ? ['', ...describeIdle(idle)] : []),
    ...operations.map((operation) => `\n${describeOperation(operation)}`),
    '\nhistory, newest first',
    ...history.map((entry) => `  ${describeEntry(entry)}`),
  ].join('\n');
}

function describeIdle({ summary, rule, observed, heldBy, heldBack }: IdleOutlook): readonly string[] {
  return [
    `idleness (${rule}): ${summary}`,
    ...(heldBack === undefined ? [] : [`  held back: ${heldBack}`]),
    ...heldBy.map(
      ({ owner, reason, untilMs }) =>
        `  held awake by ${owner} until ${new Date(untilMs).toISOString()}: ${reason}`,
    ),
    ...observed.map(({ what, atMs, detail }) => `  ${stamp(atMs)}  ${what}: ${detail}`),
  ];
}

function stamp(atMs: number | undefined): string {
  return atMs === undefined ? 'never'.padEnd(ISO_LENGTH) : new Date(atMs).toISOString();
}
const ISO_LENGTH = '2026-01-01T00:00:00.000Z'.length;

export function describeEntry({ type, atMs, facts }: HistoryEntry): string {
  const told = Object.entries(facts)
    .filter(([name, value]) => name !== 'sandboxId' && value !== '')
    .map(([name, value]) => `${name}=${value}`);
  return [new Date(atMs).toISOString(), type, ...told].join('  ');
}
