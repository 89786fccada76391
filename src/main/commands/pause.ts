import { addChangeOptions, type ChangeFlags, carryOut } from './change.ts';
import { type AddCommand, asking } from './command.ts';
import { providerOf } from './options.ts';

interface Options extends ChangeFlags {
  readonly withoutMemory?: true;
}

export const addPause: AddCommand = (program, context) => {
  const pause = program
    .command('pause')
    .argument('<sandbox>', 'its id, ours or the provider’s')
    .description('suspends a sandbox with its memory')
    .option('--without-memory', 'also where the provider cannot keep it: what runs in there is lost');
  addChangeOptions(pause).action(
    asking<Options, [string]>(context, async ({ connection: { client }, output, options, args: [id] }) => {
      await carryOut(context, {
        client,
        output,
        flags: options,
        ...(await providerOf(client, id)),
        ask: (request) =>
          client.pause(id, { ...request, ...(options.withoutMemory ? { requiresRamSnapshot: false } : {}) }),
      });
    }),
  );
};
