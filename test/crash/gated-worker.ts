import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { OperationKind } from '../../src/core/operation.ts';
import type { ProviderName } from '../../src/core/provider-name.ts';
import type { SystemOptions } from '../../src/main/system.ts';

/** A worker has come to a point and waits. */
export interface Asked {
  readonly id: number;
  readonly operationId: string;
  /** `before step boot`, for example. */
  readonly point: string;
  readonly kind: OperationKind;
  readonly provider: ProviderName;
}

/** It may go on. */
export interface Answer {
  readonly id: number;
}

export interface GatedWorker {
  kill(): Promise<void>;
}

/** @param mayPass asked at every point; who is not let on stays there until it is killed */
export async function startGatedWorker(
  options: SystemOptions,
  mayPass: (asked: Asked) => Promise<boolean>,
): Promise<GatedWorker> {
  const { log: _log, onStep: _onStep, ...plain } = options;
  const main = fileURLToPath(new URL('./gated-worker-main.ts', import.meta.url));
  const child = fork(main, [JSON.stringify(plain)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  // It takes work, and may ask, before it says that it is ready.
  child.on('message', async (asked: Asked | { readonly ready: true }) => {
    if ('ready' in asked) return;
    const answer: Answer = { id: asked.id };
    if ((await mayPass(asked)) && child.connected) child.send(answer, () => undefined);
  });
  await untilReady(child);
  return {
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: object) => {
      if ('ready' in message) resolve();
    });
    child.once('exit', () => reject(new Error('the worker ended while it started')));
  });
}
