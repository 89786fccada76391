#!/usr/bin/env node
/** The command line; its one catch turns errors into sentences and exit statuses. */
import { Command } from 'commander';
import { isLifecycleError } from '../core/lifecycle-error.ts';
import { isConfigError } from '../platform/config-error.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { selftest } from './selftest.ts';
import { serve } from './serve.ts';
import { addTokenCommands } from './token.ts';

const EXIT_FAILED = 1;
const EXIT_BAD_CONFIGURATION = 2;

const program = new Command('cmux-lifecycle')
  .description('Runs the life cycle of coding-agent sandboxes on Proxmox VE, with Morph Cloud as fallback.')
  .showHelpAfterError();

program
  .command('serve')
  .description('workers, sweeps and pages, from the environment (local mode without credentials)')
  .action(() => serve(process.env));

program
  .command('demo')
  .description('walks through the main job on simulators, then stays up')
  .option('--exit', 'end after the walk', false)
  .action(({ exit }: { exit: boolean }) => demo({ exit, environment: process.env }));

program
  .command('doctor')
  .description(
    'whether the providers are fit: privileges, templates, storages, room; with the commands to mend it',
  )
  .action(async () => {
    if (!(await doctor(process.env))) process.exitCode = EXIT_FAILED;
  });

program
  .command('selftest')
  .argument('<provider>', 'pve-vm, pve-lxc or morph')
  .description('one sandbox from its start to its end, as configured, and what of our assumptions held')
  .option(
    '--record <file>',
    'write every request to the provider and its reply into a new file, as JSON lines: headers left out, and secrets, tokens, users and addresses replaced; names of nodes, storages and guests stay, so read it before you give it away',
  )
  .action(async (provider: string, options: { record?: string }) => {
    if (!(await selftest(provider, process.env, options))) process.exitCode = EXIT_FAILED;
  });

addTokenCommands(program, process.env);

try {
  await program.parseAsync();
} catch (error) {
  if (isConfigError(error)) {
    console.error(error.message);
    process.exitCode = EXIT_BAD_CONFIGURATION;
  } else {
    const known = isLifecycleError(error);
    console.error(known ? `${error.code}: ${error.message}` : error);
    if (known && error.remediation) console.error(error.remediation);
    process.exitCode = EXIT_FAILED;
  }
}
