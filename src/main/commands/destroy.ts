import { LifecycleError } from '../../core/lifecycle-error.ts';
import type { SandboxView } from '../../core/views.ts';
import { EXIT } from '../exit-status.ts';
import type { Terminal } from '../terminal.ts';
import { addChangeOptions, type ChangeFlags, carryOut } from './change.ts';
import { type AddCommand, asking } from './command.ts';

interface Options extends ChangeFlags {
  readonly yes?: true;
}

export const addDestroy: AddCommand = (program, context) => {
  const destroy = program
    .command('destroy')
    .argument('<sandbox>', 'its id, ours or the provider’s')
    .description('ends a sandbox: its disk and its memory are gone for good')
    .option('-y, --yes', 'do not ask');
  addChangeOptions(destroy).action(
    asking<Options, [string]>(context, async ({ connection: { client }, output, options, args: [id] }) => {
      const sandbox = await client.get(id);
      if (!options.yes && !(await confirmed(sandbox, context.terminal))) {
        output.note('Nothing was destroyed.');
        context.exitWith(EXIT.failed);
        return;
      }
      const { provider } = sandbox;
      await carryOut(context, {
        client,
        output,
        flags: options,
        ...(provider === undefined ? {} : { provider }),
        ask: (request) => client.destroy(id, request),
      });
    }),
  );
};

async function confirmed(sandbox: SandboxView, { ask }: Terminal): Promise<boolean> {
  if (ask === undefined) {
    throw new LifecycleError({
      code: 'invalid_request',
      message: 'there is no terminal to ask at, and nothing is destroyed unasked',
      remediation: 'Add --yes.',
      retryable: false,
    });
  }
  const { id, state, provider, taskRunId } = sandbox;
  const where = provider === undefined ? '' : ` on ${provider}`;
  const what = taskRunId === undefined ? '' : `, task run ${taskRunId}`;
  const answer = await ask(`${id} (${state}${where}${what}): destroy its disk and memory for good? [y/N] `);
  return /^y(es)?$/i.test(answer);
}
