/** The frame of every command. To add one: a file here that exports an `AddCommand`, and its line in run-cli.ts. */
import type { Command } from 'commander';
import { type Connection, type Variables, withConnection } from '../connection.ts';
import type { ExitStatus } from '../exit-status.ts';
import { createOutput, type Format, type Output } from '../output.ts';
import type { Terminal } from '../terminal.ts';

export interface CommandContext {
  readonly environment: Variables;
  readonly terminal: Terminal;
  /** For a command that ran to its end and still has bad news. Errors are thrown instead. */
  exitWith(status: ExitStatus): void;
}

/** Adds one command, or one group of them, to the program. */
export type AddCommand = (program: Command, context: CommandContext) => void;

/** In the way that `-o` asked for. */
export function outputOf(command: Command, { terminal }: CommandContext): Output {
  return createOutput(command.optsWithGlobals<{ output: Format }>().output, terminal);
}

export interface Asked<Options extends object, Arguments extends readonly string[]> {
  readonly connection: Connection;
  readonly output: Output;
  /** Those that the command declares itself. */
  readonly options: Options;
  readonly args: Arguments;
}

/** The action of a command that asks the control plane: connects by the environment, runs, disconnects. */
export function asking<Options extends object, Arguments extends readonly string[]>(
  context: CommandContext,
  run: (asked: Asked<Options, Arguments>) => Promise<void>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    // commander passes the arguments, the options, and the command itself.
    const command = given.at(-1) as Command;
    const args = given.slice(0, -2) as unknown as Arguments;
    const [options, output] = [command.opts<Options>(), outputOf(command, context)];
    await withConnection(context.environment, (connection) => run({ connection, output, options, args }));
  };
}
