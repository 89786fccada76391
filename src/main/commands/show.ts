import { describeOperation, describeSandbox } from '../describe-sandbox.ts';
import { type AddCommand, asking } from './command.ts';

/** How ids of operations begin. */
const OPERATION_ID = /^op-/;

export const addShow: AddCommand = (program, context) => {
  program
    .command('show')
    .argument('<id>', 'of a sandbox, ours or the provider’s, or of an operation (op-…)')
    .description('one sandbox or operation, with everything that is known of it')
    .option('--refresh', 'ask the provider first, and bring the record in line')
    .action(
      asking<{ refresh?: true }, [string]>(context, async ({ connection, output, options, args: [id] }) => {
        const { client } = connection;
        if (OPERATION_ID.test(id)) {
          const operation = await client.operation(id);
          output.show(operation, (width) => describeOperation(operation, width));
          return;
        }
        const sandbox = await client.get(id, { refresh: options.refresh === true });
        output.show(sandbox, (width) => describeSandbox(sandbox, width));
      }),
    );
};
