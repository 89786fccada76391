import type { HistoryEntry } from '../../core/events.ts';
import type { IdleOutlook } from '../../core/idle-outlook.ts';
import type { WhyView } from '../../core/views.ts';
import { describeOperation } from '../describe-sandbox.ts';
import { fold } from '../fit.ts';
import { type AddCommand, asking } from './command.ts';

export const addWhy: AddCommand = (program, context) => {
  program
    .command('why')
    .argument('<sandbox>', 'its id, ours or the provider’s')
    .description('who or what brought a sandbox into its state, and when it will be suspended')
    .action(
      asking<object, [string]>(context, async ({ connection, output, args: [id] }) => {
        const why = await connection.client.why(id);
        output.show(why, (width) => describeWhy(why, width));
      }),
    );
};

function describeWhy({ summary, operations, history, idle }: WhyView, width: number): string {
  return [
    fold(summary, width),
    ...(idle ? ['', ...describeIdle(idle).map((line) => fold(line, width, INDENT))] : []),
    ...operations.map((operation) => `\n${describeOperation(operation, width)}`),
    '\nhistory, newest first',
    ...history.map((entry) => fold(`  ${describeEntry(entry)}`, width, INDENT)),
  ].join('\n');
}

/** Of what goes on from the line before. */
const INDENT = 6;

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
