/** One run of the command line, and its one catch: errors become sentences and an exit status. */
import { Command, CommanderError, Option } from 'commander';
import { addConfirm, addDestruction } from './commands/automation.ts';
import type { AddCommand, CommandContext } from './commands/command.ts';
import { addCompletion } from './commands/completion.ts';
import { addConfig } from './commands/config.ts';
import { addCosts } from './commands/costs.ts';
import { addDemo } from './commands/demo.ts';
import { addDestroy } from './commands/destroy.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEvents } from './commands/events.ts';
import { addList } from './commands/list.ts';
import { addPause } from './commands/pause.ts';
import { addPlan } from './commands/plan.ts';
import { addPresets } from './commands/presets.ts';
import { addProviders } from './commands/providers.ts';
import { addRebuild } from './commands/rebuild.ts';
import { addReport } from './commands/report.ts';
import { addResume } from './commands/resume.ts';
import { addSavings } from './commands/savings.ts';
import { addSelftest } from './commands/selftest.ts';
import { addServe } from './commands/serve.ts';
import { addShow } from './commands/show.ts';
import { addStart } from './commands/start.ts';
import { addSweeps } from './commands/sweeps.ts';
import { addToken } from './commands/token.ts';
import { addWait } from './commands/wait.ts';
import { addWhy } from './commands/why.ts';
import type { Variables } from './connection.ts';
import { EXIT, type ExitStatus, exitStatusOf } from './exit-status.ts';
import { describeError, describeUsage, FORMATS, type Format } from './output.ts';
import type { Terminal } from './terminal.ts';

/** In the order in which the help shows them. */
const COMMANDS: readonly AddCommand[] = [
  addServe,
  addDemo,
  addStart,
  addPause,
  addResume,
  addDestroy,
  addWait,
  addList,
  addShow,
  addWhy,
  addEvents,
  addProviders,
  addCosts,
  addSavings,
  addReport,
  addPlan,
  addDoctor,
  addSelftest,
  addSweeps,
  addPresets,
  addConfig,
  addRebuild,
  addConfirm,
  addDestruction,
  addToken,
  addCompletion,
];

/** `commander.help`, `commander.helpDisplayed` and the like: nothing is wrong that has not been shown. */
const HELP = /^commander\.(help|version)/;

export interface CliSurroundings {
  readonly environment: Variables;
  readonly terminal: Terminal;
}

/** Never rejects. `words` are the arguments without the program's own name. */
export async function runCli(words: readonly string[], surroundings: CliSurroundings): Promise<ExitStatus> {
  const { terminal } = surroundings;
  let status: ExitStatus = EXIT.done;
  const exitWith = (given: ExitStatus) => {
    status = given;
  };
  const program = createProgram({ ...surroundings, exitWith });
  try {
    await program.parseAsync(words, { from: 'user' });
    return status;
  } catch (error) {
    const { output } = program.opts<{ output: Format }>();
    if (error instanceof CommanderError) {
      // The help that was asked for, or that an unfinished command shows.
      if (HELP.test(error.code)) return error.exitCode === 0 ? EXIT.done : EXIT.badUsage;
      terminal.err(`${describeUsage(error, output)}\n`);
      return EXIT.badUsage;
    }
    terminal.err(`${describeError(error, output)}\n`);
    return exitStatusOf(error);
  }
}

/** The tree of all commands. */
export function createProgram(context: CommandContext): Command {
  const { out, err } = context.terminal;
  const program = new Command('cmux-lifecycle')
    .description('Runs the life cycle of coding-agent sandboxes on Proxmox VE, with Morph Cloud as fallback.')
    .addOption(
      new Option('-o, --output <format>', 'how results are printed').choices(FORMATS).default('table'),
    )
    .configureHelp({ showGlobalOptions: true })
    // What is wrong is told in the format that was asked for, by the one catch.
    .configureOutput({ writeOut: out, writeErr: err, outputError: () => {} })
    .exitOverride();
  for (const add of COMMANDS) add(program, context);
  return program;
}
