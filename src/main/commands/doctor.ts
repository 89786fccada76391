import type { Command } from 'commander';
import { describeExamination, doctor } from '../doctor.ts';
import { EXIT } from '../exit-status.ts';
import { type AddCommand, outputOf } from './command.ts';

export const addDoctor: AddCommand = (program, context) => {
  program
    .command('doctor')
    .description(
      'whether the providers are fit: privileges, templates, storages, room; with the commands to mend it',
    )
    .action(async (_options, command: Command) => {
      const output = outputOf(command, context);
      const report = await doctor(context.environment, {
        warn: output.warn,
        examined: (examination) => output.showPart(describeExamination(examination)),
      });
      output.showWhole(report);
      if (!report.fit) context.exitWith(EXIT.failed);
    });
};
