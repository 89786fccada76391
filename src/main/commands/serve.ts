import { type Command, Option } from 'commander';
import { SERVE_ROLES, type ServeRole } from '../../platform/config.ts';
import { serve } from '../serve.ts';
import { type AddCommand, outputOf } from './command.ts';

export const addServe: AddCommand = (program, context) => {
  program
    .command('serve')
    .description('workers, sweeps and pages, from the environment (local mode without credentials)')
    .addOption(
      new Option('--role <role>', 'api: pages and HTTP alone; workers: attempts and sweeps alone')
        .choices(SERVE_ROLES)
        .default('all'),
    )
    .action(({ role }: { role: ServeRole }, command: Command) =>
      serve(context.environment, { role, output: outputOf(command, context) }),
    );
};
