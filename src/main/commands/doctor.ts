import { doctor } from '../doctor.ts';
import { EXIT } from '../exit-status.ts';
import type { AddCommand } from './command.ts';

export const addDoctor: AddCommand = (program, { environment, exitWith }) => {
  program
    .command('doctor')
    .description(
      'whether the providers are fit: privileges, templates, storages, room; with the commands to mend it',
    )
    .action(async () => {
      if (!(await doctor(environment))) exitWith(EXIT.failed);
    });
};
