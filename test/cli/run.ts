/** The command line in this process, with what it printed. */
import { runCli } from '../../src/main/run-cli.ts';

export interface CliRun {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  /** What the person at the terminal answers; absent: there is no terminal. */
  readonly answer?: string;
  readonly isWatched?: boolean;
  /** How many characters a line of the terminal has; absent: the output goes elsewhere. */
  readonly width?: number;
  /** Ctrl-C. */
  readonly interruption?: AbortSignal;
  /** Told of everything as it is printed. */
  readonly onPrint?: (soFar: { readonly out: string; readonly err: string }) => void;
}

export async function cli(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
  { answer, isWatched = false, width, interruption, onPrint }: CliOptions = {},
): Promise<CliRun> {
  const printed = { out: '', err: '' };
  const printTo = (stream: 'out' | 'err') => (text: string) => {
    printed[stream] += text;
    onPrint?.(printed);
  };
  const err = printTo('err');
  const status = await runCli(words, {
    environment,
    terminal: {
      out: printTo('out'),
      err,
      isWatched,
      ...(width === undefined ? {} : { width }),
      interruption: () => interruption ?? new AbortController().signal,
      ...(answer === undefined
        ? {}
        : {
            ask: async (question) => {
              err(`${question}${answer}\n`);
              return answer;
            },
          }),
    },
  });
  return { status, ...printed };
}
