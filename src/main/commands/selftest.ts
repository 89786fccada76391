import type { Command } from 'commander';
import { EXIT } from '../exit-status.ts';
import { selftest } from '../selftest.ts';
import { type AddCommand, outputOf } from './command.ts';

export const addSelftest: AddCommand = (program, context) => {
  program
    .command('selftest')
    .argument('<provider>', 'pve-vm, pve-lxc or morph')
    .description('one sandbox from its start to its end, as configured, and what of our assumptions held')
    .option('--preset <name>', 'what it is started from (default: the first that has a source there)')
    .option(
      '--record <file>',
      'write every request to the provider and its reply into a new file, as JSON lines: headers left out, and secrets, tokens, users and addresses replaced; names of nodes, storages and guests stay, so read it before you give it away',
    )
    .action(async (provider: string, options: { preset?: string; record?: string }, command: Command) => {
      const output = outputOf(command, context);
      const report = await selftest(provider, context.environment, {
        ...options,
        print: output.showPart,
        warn: output.warn,
      });
      output.showWhole(report);
      if (!report.passed) context.exitWith(EXIT.failed);
    });
};
