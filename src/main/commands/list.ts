import { type Command, Option } from 'commander';
import type { ListOptions, SandboxList } from '../../core/client.ts';
import type { ProviderName } from '../../core/provider-name.ts';
import { PROVIDER_NAMES } from '../../core/provider-name.ts';
import { SANDBOX_STATES, type SandboxState } from '../../core/sandbox.ts';
import { describeSandboxes } from '../describe-sandbox.ts';
import { type AddCommand, asking } from './command.ts';
import { collectPairs, wholeNumber } from './options.ts';

interface Options {
  readonly state?: SandboxState;
  readonly ended?: true;
  readonly provider?: ProviderName;
  readonly team?: string;
  readonly user?: string;
  readonly taskRun?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly limit: number;
  readonly cursor?: string;
}

const MAX_LIMIT = 200;

export const addList: AddCommand = (program, context) => {
  const list: Command = program
    .command('list')
    .description('sandboxes, newest first: those that have not ended, unless told otherwise')
    .addOption(new Option('--state <state>', 'only those in this state').choices(SANDBOX_STATES))
    .option('--ended', 'those that were destroyed, failed or were lost')
    .addOption(new Option('--provider <provider>', 'only those that are there').choices(PROVIDER_NAMES))
    .option('--team <teamId>')
    .option('--user <userId>')
    .option('--task-run <taskRunId>')
    .option('--metadata <key=value>', 'each must be there; may be given several times', collectPairs)
    .option('--limit <n>', `at most this many, 1 to ${MAX_LIMIT}`, wholeNumber(1, MAX_LIMIT), 50)
    .option('--cursor <cursor>', 'the next page, as the page before said');
  list.action(
    asking<Options, []>(context, async ({ connection: { client }, output, options }) => {
      const page = await client.list(listOptions(options));
      output.show(page, (width) => {
        if (page.sandboxes.length === 0 && isNarrowed(options)) return 'No sandbox matches.';
        return describeSandboxes(page.sandboxes, Date.now(), width);
      });
      noteNextPage(page, output.note);
    }),
  );
};

function listOptions({ team, user, taskRun, ...rest }: Options): ListOptions {
  return {
    ...rest,
    ...(team === undefined ? {} : { teamId: team }),
    ...(user === undefined ? {} : { userId: user }),
    ...(taskRun === undefined ? {} : { taskRunId: taskRun }),
  };
}

function isNarrowed({ limit: _, ...rest }: Options): boolean {
  return Object.keys(rest).length > 0;
}

function noteNextPage({ cursor }: SandboxList, note: (line: string) => void): void {
  if (cursor !== undefined) note(`There may be more: the same command with --cursor ${cursor}`);
}
