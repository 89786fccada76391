/** The command line as it is shipped: JavaScript in a folder of its own, started as processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { inject } from 'vitest';
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

export function buildCli(): BuiltCli {
  const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-cli-'));
  const shared = builtOnce();
  for (const name of ['dist', 'node_modules']) symlinkSync(join(shared, name), join(folder, name));
  for (const name of BESIDE) cpSync(join(project, name), join(folder, name));

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

/** What the compiled code reads beside `dist`. */
const BESIDE = ['package.json', '.env.example'] as const;

/** One build for all files of a run. Two that begin at once both build; the later one's is thrown away. */
function builtOnce(): string {
  const shared = join(inject('buildDir'), 'package');
  if (existsSync(shared)) return shared;
  const own = mkdtempSync(join(inject('buildDir'), 'own-'));
  transpileInto(join(own, 'dist'));
  for (const name of BESIDE) cpSync(join(project, name), join(own, name));
  symlinkSync(join(project, 'node_modules'), join(own, 'node_modules'));
  try {
    renameSync(own, shared);
  } catch {
    rmSync(own, { recursive: true });
  }
  return shared;
}

/** Every file turned into JavaScript by itself: types are checked elsewhere, and a build takes ten times as long. */
function transpileInto(dist: string): void {
  const { config } = ts.readConfigFile(join(project, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, project);
  // One file says nothing of its package: that it is an ES module has to be said.
  const compilerOptions = { ...options, noEmit: false, module: ts.ModuleKind.ESNext };
  for (const name of readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!/\.tsx?$/.test(name)) continue;
    const target = join(dist, name.replace(/\.tsx?$/, '.js'));
    const source = readFileSync(join(project, 'src', name), 'utf8');
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, ts.transpileModule(source, { fileName: name, compilerOptions }).outputText);
  }
  for (const beside of ['store/scripts', 'dashboard/assets']) {
    cpSync(join(project, 'src', beside), join(dist, beside), { recursive: true });
  }
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
