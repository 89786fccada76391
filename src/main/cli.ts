#!/usr/bin/env node
import { EXIT } from './exit-status.ts';
import { runCli } from './run-cli.ts';
import { processTerminal } from './terminal.ts';

// Whoever reads us has seen enough (`… | head`): that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.done);
});

// Not process.exit: what was printed into a pipe has to arrive first.
process.exitCode = await runCli(process.argv.slice(2), {
  environment: process.env,
  terminal: processTerminal(),
});
