import { isLifecycleError, LifecycleError } from '../../core/lifecycle-error.ts';
import { isSettled, type Operation } from '../../core/operation.ts';
import { operationError } from '../../core/operation-error.ts';
import { viewOperation, viewSandbox } from '../../core/views.ts';
import type { Caller, LifecycleService } from '../lifecycle-service.ts';
import type { ApiContext } from './api-context.ts';

export interface AnswerOptions {
  readonly context: ApiContext;
  readonly caller: Caller;
  readonly waitSeconds: number;
}

/**
 * The sandbox once the operation settled within the wait, its failure, or the operation as it is (202). A
 * caller that leaves ends the waiting, not the operation.
 */
export async function answerOperation(
  service: LifecycleService,
  operation: Operation,
  { context, caller, waitSeconds }: AnswerOptions,
): Promise<Response> {
  const settled = await untilSettled(service, operation, waitSeconds, context.req.raw.signal);
  if (settled === undefined) {
    context.header('Location', `/v1/operations/${operation.id}`);
    return context.json(viewOperation(operation), 202);
  }
  if (settled.state !== 'succeeded') throw operationError(settled);
  const sandbox = viewSandbox(await sandboxOf(service, settled, caller));
  if (operation.kind === 'start') {
    context.header('Location', `/v1/sandboxes/${sandbox.id}`);
    return context.json(sandbox, 201);
  }
  return context.json(
    operation.kind === 'resume' ? { ...sandbox, memoryKept: settled.memoryKept ?? false } : sandbox,
    200,
  );
}

async function untilSettled(
  service: LifecycleService,
  operation: Operation,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<Operation | undefined> {
  if (isSettled(operation.state)) return operation;
  if (waitSeconds === 0) return undefined;
  const { id, createdAtMs } = operation;
  return (await service.untilSettled({ id, createdAtMs }, { timeoutMs: waitSeconds * 1_000, signal }))
    ?.operation;
}

/** Should Redis go away just now, the caller at least learns which operation is theirs. */
async function sandboxOf(service: LifecycleService, { id, sandboxId }: Operation, caller: Caller) {
  try {
    return await service.sandbox(sandboxId, caller);
  } catch (error) {
    if (!isLifecycleError(error)) throw error;
    const { code, message, retryable } = error;
    throw new LifecycleError({ code, message, retryable, operationId: id, sandboxId, cause: error });
  }
}
