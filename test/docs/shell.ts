/** A reader's terminal: one shell in which the blocks of a document are run one after another. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';

export interface Shell {
  /** What the block printed. @throws when a command of it fails, or it takes too long */
  run(commands: string): Promise<string>;
  /** In a second terminal. */
  start(commands: string): Background;
  /** Ends what still runs, as Ctrl-C does. */
  close(): Promise<void>;
}

export interface Background {
  /** What it has printed, once it says that it stays until Ctrl-C. */
  readonly up: Promise<string>;
}

/** No block does more than start, pause and resume one sandbox, on a machine that is busy with other tests. */
const BLOCK_TIMEOUT_MS = 90_000;
/** A worker that is told to stop lets its attempts end for as long; a hang must not outlive the test. */
const STOP_TIMEOUT_MS = 25_000;
const END = '--- end of block';

export function openShell(folder: string, environment: Readonly<Record<string, string>>): Shell {
  const options = { cwd: folder, env: environment, detached: true } as const;
  const child = spawn('bash', ['--noprofile', '--norc'], { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  const terminal = listen(child);
  child.stdin.write('set -eu -o pipefail\nexec 2>&1\n');
  const background: ReturnType<typeof listen>[] = [];
  let count = 0;

  return {
    async run(commands) {
      count += 1;
      const from = terminal.printed().length;
      const script = join(folder, `.block-${count}.sh`);
      writeFileSync(script, commands);
      child.stdin.write(`. '${script}' </dev/null\necho '${END} ${count}'\n`);
      const output = () => terminal.printed().slice(from);
      await untilPrinted(terminal, `${END} ${count}\n`, output);
      return output().replace(`${END} ${count}\n`, '');
    },
    start(commands) {
      const started = listen(
        spawn('bash', ['-euo', 'pipefail', '-c', commands], { ...options, stdio: 'pipe' }),
      );
      background.push(started);
      const up = untilPrinted(started, 'Ctrl-C', started.printed).then(started.printed);
      // Whoever waits for it is told; nobody may wait any more when it ends.
      up.catch(() => undefined);
      return { up };
    },
    async close() {
      child.stdin.end();
      await Promise.all([terminal, ...background].map((listened) => listened.stop()));
    },
  };
}

function listen(child: ChildProcess) {
  let printed = '';
  let isGone = false;
  const keep = (text: string) => {
    printed += text;
  };
  child.stdout?.setEncoding('utf8').on('data', keep);
  child.stderr?.setEncoding('utf8').on('data', keep);
  const gone = once(child, 'close').then(() => {
    isGone = true;
  });
  return {
    printed: () => printed,
    isGone: () => isGone,
    /** To all processes of its terminal, as a terminal does. */
    async stop() {
      const signal = (name: 'SIGINT' | 'SIGKILL') => {
        if (!isGone && child.pid !== undefined) process.kill(-child.pid, name);
      };
      signal('SIGINT');
      const late = setTimeout(() => signal('SIGKILL'), STOP_TIMEOUT_MS);
      await gone;
      clearTimeout(late);
    },
  };
}

async function untilPrinted(
  { printed, isGone }: ReturnType<typeof listen>,
  text: string,
  shown: () => string,
): Promise<void> {
  const hasPrinted = () => {
    if (printed().includes(text)) return true;
    if (isGone()) throw new Error('a command failed');
    return undefined;
  };
  try {
    await eventually(`it prints "${text.trim()}"`, hasPrinted, BLOCK_TIMEOUT_MS);
  } catch (error) {
    throw new Error(`${String(error)}; it printed:\n${shown()}`);
  }
}
