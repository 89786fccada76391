/** The command line as it is shipped: JavaScript in a folder of its own, started as processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { eventually } from './eventually.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));

export interface BuiltCli {
  /** Holds `dist`, and what else of ours lies beside it in the package. */
  readonly folder: string;
  start(words: readonly string[], environment: Readonly<Record<string, string>>): CliProcess;
  /** Kills what still runs, and removes the folder. */
  close(): Promise<void>;
}

export interface CliProcess {
  readonly child: ChildProcess;
  readonly printed: { out: string; err: string };
  /** What it printed, once the pattern is in there. */
  untilPrinted(pattern: RegExp): Promise<RegExpExecArray>;
  /** Its exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string>;
}

/** Every file turned into JavaScript by itself: types are checked elsewhere, and a build takes ten times as long. */
export function buildCli(): BuiltCli {
  const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-cli-'));
  const { config } = ts.readConfigFile(join(project, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, project);
  for (const name of readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!/\.tsx?$/.test(name)) continue;
    const target = join(folder, 'dist', name.replace(/\.tsx?$/, '.js'));
    const source = readFileSync(join(project, 'src', name), 'utf8');
    mkdirSync(dirname(target), { recursive: true });
    // One file says nothing of its package: that it is an ES module has to be said.
    const compilerOptions = { ...options, noEmit: false, module: ts.ModuleKind.ESNext };
    writeFileSync(target, ts.transpileModule(source, { fileName: name, compilerOptions }).outputText);
  }
  for (const beside of ['store/scripts', 'dashboard/assets']) {
    cpSync(join(project, 'src', beside), join(folder, 'dist', beside), { recursive: true });
  }
  for (const name of ['package.json', '.env.example']) cpSync(join(project, name), join(folder, name));
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));

  const running = new Set<CliProcess>();
  return {
    folder,
    start(words, environment) {
      const started = startProcess([join(folder, 'dist/main/cli.js'), ...words], folder, environment);
      running.add(started);
      return started;
    },
    async close() {
      await Promise.all([...running].map((process) => process.stop('SIGKILL')));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function startProcess(
  words: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string>>,
): CliProcess {
  const child = spawn(process.execPath, words, {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', LOG_LEVEL: 'warn', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed.err += text;
  });
  const ended = once(child, 'close').then(([status, signal]) => (status ?? signal) as number | string);
  let isGone = false;
  void ended.then(() => {
    isGone = true;
  });
  return {
    child,
    printed,
    ended,
    untilPrinted: (pattern) =>
      eventually(`${words.slice(1).join(' ')} prints ${pattern}`, () => {
        const found = pattern.exec(printed.out + printed.err);
        if (found === null && isGone) throw new Error(`it ended instead: ${printed.out}${printed.err}`);
        return found ?? undefined;
      }),
    stop(signal) {
      child.kill(signal);
      return ended;
    },
  };
}
