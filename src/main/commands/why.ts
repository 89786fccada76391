import type { HistoryEntry } from '../../core/events.ts';
import type { WhyView } from '../../core/views.ts';
import { describeOperation } from '../describe-sandbox.ts';
import { type AddCommand, asking } from './command.ts';

export const addWhy: AddCommand = (program, context) => {
  program
    .command('why')
    .argument('<sandbox>', 'its id, ours or the provider’s')
    .description('who or what brought a sandbox into its state, and what was tried')
    .action(
      asking<object, [string]>(context, async ({ connection, output, args: [id] }) => {
        const why = await connection.client.why(id);
        output.show(why, () => describeWhy(why));
      }),
    );
};

function describeWhy({ summary, operations, history }: WhyView): string {
  return [
    summary,
    ...operations.map((operation) => `\n${describeOperation(operation)}`),
    '\nhistory, newest first',
    ...history.map((entry) => `  ${describeEntry(entry)}`),
  ].join('\n');
}

export function describeEntry({ type, atMs, facts }: HistoryEntry): string {
  const told = Object.entries(facts)
    .filter(([name, value]) => name !== 'sandboxId' && value !== '')
    .map(([name, value]) => `${name}=${value}`);
  return [new Date(atMs).toISOString(), type, ...told].join('  ');
}
