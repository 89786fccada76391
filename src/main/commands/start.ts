import { Option } from 'commander';
import { PROVIDER_NAMES, type ProviderName } from '../../core/provider-name.ts';
import { type StartInput, WORKLOAD_TYPES, type WorkloadType } from '../../core/start-request.ts';
import { addChangeOptions, type ChangeFlags, carryOut } from './change.ts';
import { type AddCommand, asking } from './command.ts';
import { collectPairs, wholeNumber } from './options.ts';

interface Options extends ChangeFlags {
  readonly preset: string;
  readonly provider?: ProviderName;
  /** commander's name for `--no-fallback`. */
  readonly fallback: boolean;
  readonly keepsMemory?: true;
  readonly workload?: WorkloadType;
  readonly team?: string;
  readonly user?: string;
  readonly taskRun?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly ttl?: number;
  readonly onExpiry?: 'pause' | 'destroy';
  readonly idleTimeout?: number;
  readonly protected?: true;
}

const YEAR_S = 365 * 24 * 60 * 60;

export const addStart: AddCommand = (program, context) => {
  const start = program
    .command('start')
    .description('starts a sandbox, and waits until it runs and its services answer')
    .requiredOption('--preset <name>', 'what to start: a named size, as the server is configured')
    .addOption(new Option('--provider <provider>', 'where, if it can be there').choices(PROVIDER_NAMES))
    .option('--no-fallback', 'nowhere else')
    .option('--keeps-memory', 'only where memory is kept while it is paused')
    .addOption(new Option('--workload <type>', 'what it is for').choices(WORKLOAD_TYPES))
    .option('--team <teamId>')
    .option('--user <userId>')
    .option('--task-run <taskRunId>')
    .option('--metadata <key=value>', 'may be given several times', collectPairs)
    .option('--ttl <seconds>', 'its time to live', wholeNumber(1, YEAR_S))
    .addOption(new Option('--on-expiry <what>', 'what happens then').choices(['pause', 'destroy']))
    .option('--idle-timeout <seconds>', 'paused when nobody used it for so long', wholeNumber(1, YEAR_S))
    .option('--protected', 'everything automatic leaves it alone');
  addChangeOptions(start).action(
    asking<Options, []>(context, async ({ connection: { client }, output, options }) => {
      const { provider } = options;
      await carryOut(context, {
        client,
        output,
        flags: options,
        ...(provider === undefined ? {} : { provider }),
        ask: (request) => client.start(startInput(options), request),
      });
    }),
  );
};

function startInput(options: Options): StartInput {
  const { preset, provider, fallback, workload, team, user, taskRun } = options;
  return withoutUndefined({
    preset,
    preferredProvider: provider,
    allowFallback: fallback,
    requiresRamSnapshot: options.keepsMemory === true,
    workloadType: workload,
    teamId: team,
    userId: user,
    taskRunId: taskRun,
    metadata: options.metadata,
    ttlSeconds: options.ttl,
    onExpiry: options.onExpiry,
    idleTimeoutSeconds: options.idleTimeout,
    protected: options.protected,
  });
}

function withoutUndefined(input: Readonly<Record<string, unknown>>): StartInput {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}
