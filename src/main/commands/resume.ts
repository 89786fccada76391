import { addChangeOptions, type ChangeFlags, carryOut } from './change.ts';
import { type AddCommand, asking } from './command.ts';
import { providerOf } from './options.ts';

interface Options extends ChangeFlags {
  readonly coldBoot?: true;
}

export const addResume: AddCommand = (program, context) => {
  const resume = program
    .command('resume')
    .argument('<sandbox>', 'its id, ours or the provider’s')
    .description('wakes a sandbox up where it was paused')
    .option('--cold-boot', 'boot the same disk when memory that was promised is gone');
  addChangeOptions(resume).action(
    asking<Options, [string]>(context, async ({ connection: { client }, output, options, args: [id] }) => {
      await carryOut(context, {
        client,
        output,
        flags: options,
        ...(await providerOf(client, id)),
        ask: (request) =>
          client.resume(id, { ...request, ...(options.coldBoot ? { onLostMemory: 'cold-boot' } : {}) }),
      });
    }),
  );
};
