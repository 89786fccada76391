import type { Command } from 'commander';
import { LifecycleError } from '../../core/lifecycle-error.ts';
import { demo } from '../demo.ts';
import { type AddCommand, outputOf } from './command.ts';

export const addDemo: AddCommand = (program, context) => {
  program
    .command('demo')
    .description('walks through the main job on simulators, then stays up')
    .option('--exit', 'end after the walk', false)
    .action(({ exit }: { exit: boolean }, command: Command) => {
      if (outputOf(command, context).format === 'json') throw FOR_PEOPLE;
      return demo({ exit, environment: context.environment });
    });
};

/** Refused, not ignored: who asked for JSON would try to read a story as such. */
const FOR_PEOPLE = new LifecycleError({
  code: 'invalid_request',
  retryable: false,
  message: 'demo tells a story to people, and has no JSON',
  remediation: 'Leave -o out. With --exit its exit status says whether the story came to its end.',
});
