import { addTimeout, waitAndTell } from './change.ts';
import { type AddCommand, asking } from './command.ts';

export const addWait: AddCommand = (program, context) => {
  const wait = program
    .command('wait')
    .argument('<operation>', 'its id (op-…)')
    .description('waits for an operation that was asked for before');
  addTimeout(wait).action(
    asking<{ timeout: number }, [string]>(context, async ({ connection, output, options, args: [id] }) => {
      await waitAndTell(context, connection.client, id, { output, timeout: options.timeout });
    }),
  );
};
