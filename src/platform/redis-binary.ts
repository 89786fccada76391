import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { ConfigError } from './config-error.ts';

const BINARY_NAMES = ['redis-server', 'valkey-server'] as const;
/** Package managers fetch some megabytes; past this they hang on a lock or a dead mirror. */
const INSTALL_TIMEOUT_MS = 180_000;

interface PackageManager {
  readonly binary: string;
  readonly command: string;
  /** Homebrew refuses to run as root; the others need it. */
  readonly needsRoot: boolean;
}

/** Looked for on PATH in this order. Distributions that replaced Redis by Valkey offer both names in turn. */
const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    binary: 'apt-get',
    command: 'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y redis-server',
    needsRoot: true,
  },
  { binary: 'dnf', command: 'dnf install -y valkey || dnf install -y redis', needsRoot: true },
  { binary: 'apk', command: 'apk add redis || apk add valkey', needsRoot: true },
  { binary: 'pacman', command: 'pacman -Sy --noconfirm valkey', needsRoot: true },
  { binary: 'zypper', command: 'zypper --non-interactive install redis', needsRoot: true },
  { binary: 'brew', command: 'brew install redis', needsRoot: false },
];

/** The first `redis-server` or `valkey-server` on a PATH, if there is one. */
export function findRedisBinary(path: string): string | undefined {
  for (const name of BINARY_NAMES) {
    const found = findOnPath(name, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

export interface EnsureRedisOptions {
  /** The PATH to look on. */
  readonly path: string;
  readonly print: (line: string) => void;
  /** Absent when there is no terminal to ask at. */
  readonly ask?: (question: string) => Promise<boolean>;
  readonly isRoot?: boolean;
  /** Runs a shell command and says whether it succeeded. */
  readonly run?: (command: string) => Promise<boolean>;
}

/**
 * The Redis binary, installed by the machine's package manager when there is none: at once as root without
 * a terminal, after a yes where there is one.
 * @throws ConfigError with the command to run by hand.
 */
export async function ensureRedisBinary(options: EnsureRedisOptions): Promise<string> {
  const { path, print, ask, isRoot = process.getuid?.() === 0, run = runShell } = options;
  const present = findRedisBinary(path);
  if (present !== undefined) return present;

  const manager = PACKAGE_MANAGERS.find(({ binary }) => findOnPath(binary, path) !== undefined);
  if (manager === undefined) throw missing('install Redis 6.2 or later, or Valkey, and put it on PATH');
  if (manager.needsRoot !== isRoot) {
    throw missing(`run: ${manager.needsRoot ? `sudo sh -c '${manager.command}'` : manager.command}`);
  }
  print(`No redis-server on PATH. This installs it: ${manager.command}`);
  if (ask !== undefined && !(await ask('Run it now? [Y/n] '))) throw missing(`run: ${manager.command}`);
  const succeeded = await run(manager.command);
  const installed = findRedisBinary(path);
  if (installed === undefined) {
    const outcome = succeeded ? 'ran, but left no redis-server on PATH' : 'failed';
    throw missing(`"${manager.command}" ${outcome}; install Redis 6.2 or later by hand`);
  }
  return installed;
}

/** Asks at the terminal; `undefined` when there is none. An empty answer is a yes. */
export function terminalQuestion(): ((question: string) => Promise<boolean>) | undefined {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return undefined;
  return async (question) => {
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    try {
      return /^(y|yes|)$/i.test((await terminal.question(question)).trim());
    } finally {
      terminal.close();
    }
  };
}

function findOnPath(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutableFile);
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function runShell(command: string): Promise<boolean> {
  return new Promise((resolve) => {
    // Its output goes to stderr: stdout may be read by a program.
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 2, 2], timeout: INSTALL_TIMEOUT_MS });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

function missing(remedy: string): ConfigError {
  return new ConfigError([{ setting: 'redis-server', problem: 'not found on PATH', remedy }]);
}
