/** Getting the operation at the head of a line going. */
import type { Operation, OperationFailure } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import { isEnded, type Sandbox } from '../core/sandbox.ts';
import type { NewOperation, SubmissionResult } from '../store/submission.ts';
import type { SubmitterDeps } from './submitter-deps.ts';

/** Opens its first attempt, or settles it at once. */
export async function advance(deps: SubmitterDeps, operationId: string): Promise<void> {
  const { store, queues, nowMs } = deps;
  // Bounded by the line's length: each turn settles one operation, which brings the next to the head.
  let next: string | undefined = operationId;
  while (next !== undefined) {
    const operation: Operation | undefined = await store.reading.operation(next);
    if (operation?.state !== 'queued') return;
    const opened = operation.attempts.at(-1);
    if (opened) return queues.addAttempt(operation, opened.number, opened.provider, 0);

    const sandbox = await store.reading.sandbox(operation.sandboxId);
    if (sandbox === undefined) return;
    if (sandbox.placement && !isEnded(sandbox.state)) {
      const { provider } = sandbox.placement;
      if (await store.submission.openFirstAttempt(operation, provider, nowMs())) {
        await queues.addAttempt(operation, 1, provider, 0, sandbox.placement.guestId);
      }
      return;
    }
    const failure = operation.kind === 'destroy' ? undefined : endedFailure(sandbox);
    const settled = await store.submission.settleWithoutAttempt(operation, sandbox, failure, nowMs());
    if (settled === 'conflict') return;
    next = settled.next;
  }
}

function endedFailure(sandbox: Sandbox): OperationFailure {
  return {
    code: 'sandbox_ended',
    message: `the sandbox is ${sandbox.state}`,
    retryable: false,
    causes: [],
  };
}

/**
 * Sends the job of a first attempt right behind the write that opens it, without waiting for that write's
 * answer: over one connection Redis carries both out in this order. Should the write be refused, its job
 * finds no record and ends with nothing done, after it has come back for a second: a write whose script Redis
 * had forgotten comes behind it.
 * @param writing its command was sent already
 * @throws when the operation was written and its job could not be added; rescue adds it then
 */
export async function withFirstJob(
  { queues }: SubmitterDeps,
  writing: Promise<SubmissionResult>,
  written: NewOperation,
  provider: ProviderName,
  guestId?: string,
): Promise<SubmissionResult> {
  const adding = queues.addAttempt(queuedOperation(written, provider), 1, provider, 0, guestId);
  adding.catch(() => undefined); // Told below, where it matters.
  const result = await writing;
  if (result.result === 'written') await adding;
  return result;
}

/** As it was written a moment ago; reading it back would cost a round trip and say no more. */
export function queuedOperation(written: NewOperation, provider: ProviderName): Operation {
  const openedAtMs = written.createdAtMs;
  return {
    ...written,
    state: 'queued',
    attempts: [{ number: 1, provider, outcome: 'open', openedAtMs }],
  };
}
