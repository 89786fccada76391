import { LifecycleError } from '../core/lifecycle-error.ts';
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
  const sandbox = await store.reading.sandboxByAnyId(anyId);
  const theirs = expectTeamId === undefined || sandbox?.request.teamId === expectTeamId;
  if (sandbox && theirs) return sandbox;
  throw new LifecycleError({
    code: 'not_found',
    message: `there is no sandbox ${anyId}`,
    retryable: false,
  });
}
