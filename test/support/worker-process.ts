import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { SystemOptions } from '../../src/main/system.ts';
import { eventually } from './eventually.ts';

/** Where in its first attempt a worker kills or freezes itself. */
export interface SignalAt {
  readonly step: string;
  readonly when: 'before' | 'after';
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

export interface WorkerProcess {
  readonly child: ChildProcess;
  /** Resolves once it has killed or frozen itself, as `signalAt` said. */
  untilSignalled(): Promise<void>;
  /** Lets a frozen one go on. */
  thaw(): void;
  /** SIGKILL, and wait until it is gone. */
  end(): Promise<void>;
}

/** Starts a worker in a process of its own, on the same Redis and simulators as the test. */
export async function startWorkerProcess(
  options: SystemOptions,
  extra: { readonly signalAt?: SignalAt } = {},
): Promise<WorkerProcess> {
  const { log: _log, onStep: _onStep, ...plain } = options;
  const main = fileURLToPath(new URL('./worker-main.ts', import.meta.url));
  const child = fork(main, [JSON.stringify({ ...plain, ...extra })], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const isGone = () => child.exitCode !== null || child.signalCode !== null;
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('the worker process ended while it started'))),
  ]);
  return {
    child,
    async untilSignalled() {
      await eventually('the worker signals itself', () => isGone() || processState(child.pid) === 'T');
    },
    thaw: () => child.kill('SIGCONT'),
    async end() {
      if (isGone()) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** The letter of `/proc/<pid>/stat`: `T` is stopped. */
function processState(pid: number | undefined): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).charAt(0);
}
