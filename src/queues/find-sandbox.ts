import { LifecycleError } from '../core/lifecycle-error.ts';
import type { Operation } from '../core/operation.ts';
import type { Sandbox } from '../core/sandbox.ts';
import type { Store } from '../store/store.ts';

/**
 * @param anyId ours or the provider's
 * @throws `not_found`, also when it belongs to another team than `expectTeamId`: nobody learns from the
 * answer that it exists.
 */
export async function findSandbox(
  store: Store,
  anyId: string,
  expectTeamId: string | undefined,
): Promise<Sandbox> {
  return theirs(await store.reading.sandboxByAnyId(anyId), anyId, expectTeamId);
}

/** The same, with the operations in its line, in one round trip where the id is ours. */
export async function findSandboxWithLine(
  store: Store,
  anyId: string,
  expectTeamId: string | undefined,
): Promise<{ readonly sandbox: Sandbox; readonly pending: readonly Operation[] }> {
  const direct = await store.reading.sandboxWithLine(anyId);
  if (direct.sandbox) {
    return { sandbox: theirs(direct.sandbox, anyId, expectTeamId), pending: direct.pending };
  }
  const sandbox = await findSandbox(store, anyId, expectTeamId);
  return { sandbox, pending: await store.reading.pendingOperations(sandbox.id) };
}

function theirs(sandbox: Sandbox | undefined, anyId: string, expectTeamId: string | undefined): Sandbox {
  const mayKnow = expectTeamId === undefined || sandbox?.request.teamId === expectTeamId;
  if (sandbox && mayKnow) return sandbox;
  throw new LifecycleError({
    code: 'not_found',
    message: `there is no sandbox ${anyId}`,
    retryable: false,
  });
}
