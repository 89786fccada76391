/** The command line in this process, with what it printed. */
import { runCli } from '../../src/main/run-cli.ts';

export interface CliRun {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export async function cli(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<CliRun> {
  let [out, err] = ['', ''];
  const status = await runCli(words, {
    environment,
    streams: {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
    },
  });
  return { status, out, err };
}
