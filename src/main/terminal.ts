/** What a command is connected to: the process's own streams and signals, or those of a test. */
import { createInterface } from 'node:readline/promises';

export interface Terminal {
  /** Standard output: results alone. */
  out(text: string): void;
  /** Standard error: errors, notes, progress. */
  err(text: string): void;
  /** How many characters a line of standard output has; absent where no terminal shows it. */
  readonly width?: number;
  /** Whether a person watches standard error, so that a line may be written over. */
  readonly isWatched: boolean;
  /** Asks the person; absent where there is none to ask. */
  readonly ask?: (question: string) => Promise<string>;
  /** Fires at the first Ctrl-C or SIGTERM from now on; a second one ends the process at once. */
  interruption(): AbortSignal;
}

export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    // A terminal that does not know says 0.
    ...(stdout.isTTY && stdout.columns > 0 ? { width: stdout.columns } : {}),
    isWatched: stderr.isTTY === true,
    ...(stdin.isTTY && stderr.isTTY ? { ask: askPerson } : {}),
    interruption,
  };
}

async function askPerson(question: string): Promise<string> {
  const person = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await person.question(question)).trim();
  } finally {
    person.close();
  }
}

function interruption(): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    // Without a handler the next signal ends the process, as signals do.
    for (const signal of STOP_SIGNALS) process.removeListener(signal, stop);
    controller.abort();
  };
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  return controller.signal;
}

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
