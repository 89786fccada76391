import { demo } from '../demo.ts';
import type { AddCommand } from './command.ts';

export const addDemo: AddCommand = (program, { environment }) => {
  program
    .command('demo')
    .description('walks through the main job on simulators, then stays up')
    .option('--exit', 'end after the walk', false)
    .action(({ exit }: { exit: boolean }) => demo({ exit, environment }));
};
