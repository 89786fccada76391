import { Argument } from 'commander';
import { completionScript, SHELLS, type Shell } from '../completion.ts';
import type { AddCommand } from './command.ts';

export const addCompletion: AddCommand = (program, { terminal }) => {
  program
    .command('completion')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .description('a script that completes commands and options: source <(cmux-lifecycle completion bash)')
    // A script, whatever -o says.
    .action((shell: Shell) => terminal.out(completionScript(program, shell)));
};
