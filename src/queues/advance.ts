/** Getting the operation at the head of a line going. */
import type { Operation, OperationFailure } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import { isEnded, type Sandbox } from '../core/sandbox.ts';
import type { NewOperation } from '../store/submission.ts';
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

/** Adds the job of the attempt that was opened in the write of its operation, and returns that operation. */
export async function addFirstJob(
  { queues }: SubmitterDeps,
  written: NewOperation,
  provider: ProviderName,
  guestId?: string,
): Promise<Operation> {
  const operation = queuedOperation(written, provider);
  await queues.addAttempt(operation, 1, provider, 0, guestId);
  return operation;
}

/** As it was written a moment ago; reading it back would cost a round trip and say no more. */
function queuedOperation(written: NewOperation, provider: ProviderName): Operation {
  const openedAtMs = written.createdAtMs;
  return {
    ...written,
    state: 'queued',
    attempts: [{ number: 1, provider, outcome: 'open', openedAtMs }],
  };
}
