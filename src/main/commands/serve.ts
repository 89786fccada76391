import { serve } from '../serve.ts';
import type { AddCommand } from './command.ts';

export const addServe: AddCommand = (program, { environment }) => {
  program
    .command('serve')
    .description('workers, sweeps and pages, from the environment (local mode without credentials)')
    .action(() => serve(environment));
};
