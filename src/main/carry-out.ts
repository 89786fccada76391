/**
 * What every command that changes a sandbox does after it has asked: wait for the operation, show how it goes, and
 * tell how it ended. Waiting can stop at any time, by Ctrl-C or a time-out; the operation goes on.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { LifecycleClient } from '../core/client.ts';
import { isLifecycleError, type LifecycleError } from '../core/lifecycle-error.ts';
import { isSettled } from '../core/operation.ts';
import { operationError, waitTimedOut } from '../core/operation-error.ts';
import type { OperationView, SandboxView } from '../core/views.ts';
import { type Progress, showProgress, usualDurationMs } from './progress.ts';
import type { Terminal } from './terminal.ts';

export interface Waiting {
  readonly client: LifecycleClient;
  readonly terminal: Terminal;
  readonly timeoutMs: number;
  /** The provider whose usual duration is told; absent: that of all. */
  readonly provider?: string;
}

/** What was asked for: the operation under way, or the sandbox where nothing was left to do. */
export type Submitted = { readonly operationId: string } | { readonly sandbox: SandboxView };

/** `ask` must not wait: it then rejects with `wait_timed_out`, which names the operation. */
export async function submit(
  ask: (options: { readonly timeoutMs: 0 }) => Promise<SandboxView>,
): Promise<Submitted> {
  try {
    return { sandbox: await ask({ timeoutMs: 0 }) };
  } catch (error) {
    if (!isUnderWay(error)) throw error;
    return { operationId: error.operationId };
  }
}

/** One look at the operation lasts this long, so that a change of provider is seen soon. */
const LOOK_MS = 2_000;
/** The server is away for a moment: what was accepted is not lost. */
const AWAY_PAUSE_MS = 1_000;
const AWAY: readonly string[] = ['api_unreachable', 'store_unavailable'];

/**
 * The operation once it succeeded; `undefined` on Ctrl-C.
 * @throws LifecycleError how it failed, or `wait_timed_out`
 */
export async function waitToTheEnd(
  operationId: string,
  waiting: Waiting,
): Promise<OperationView | undefined> {
  const { client, terminal, timeoutMs, provider } = waiting;
  const signal = terminal.interruption();
  const untilMs = performance.now() + timeoutMs;
  let operation = await client.operation(operationId);
  const progress = showProgress(terminal, `${operation.kind} ${operation.sandboxId}`);
  // Only for the eye: that it cannot be told is no reason to fail.
  usualDurationMs(client, operation.kind, provider).then(progress.usually, () => undefined);
  try {
    while (!isSettled(operation.state)) {
      progress.at(describeStage(operation));
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) throw waitTimedOut(operation);
      const look = { timeoutMs: Math.min(leftMs, LOOK_MS), signal };
      operation = (await lookAgain(client, operationId, look, progress)) ?? operation;
      if (signal.aborted) return undefined;
    }
  } finally {
    progress.end();
  }
  if (operation.state !== 'succeeded') throw operationError(operation);
  return operation;
}

/** `undefined` when nobody answers, or on Ctrl-C. */
async function lookAgain(
  client: LifecycleClient,
  operationId: string,
  look: { readonly timeoutMs: number; readonly signal: AbortSignal },
  progress: Progress,
): Promise<OperationView | undefined> {
  try {
    return await client.operation(operationId, look);
  } catch (error) {
    if (look.signal.aborted) return undefined;
    if (!isLifecycleError(error) || !AWAY.includes(error.code)) throw error;
    progress.at('the server does not answer, the operation goes on');
    await delay(AWAY_PAUSE_MS, undefined, { signal: look.signal }).catch(() => undefined);
    return undefined;
  }
}

export function describeStage({ attempts, state }: OperationView): string {
  const last = attempts.at(-1);
  if (last === undefined || state === 'queued') return 'in line';
  return `attempt ${last.number} on ${last.provider}`;
}

function isUnderWay(error: unknown): error is LifecycleError & { readonly operationId: string } {
  return isLifecycleError(error) && error.code === 'wait_timed_out' && error.operationId !== undefined;
}
