/**
 * Asks the provider how the guest is and brings the record in line: a hand at the console, a TTL at the
 * provider or a wake on request may have moved it. Reads only; a paused guest stays paused.
 */
import type { Settlement } from '../../store/attempt-endings.ts';
import type { AttemptSession } from '../attempt-session.ts';
import { settleAsObserved } from '../observed-state.ts';
import type { WorkerDeps } from '../worker-deps.ts';
import { requireGuestRef } from './guest-of.ts';

export async function inspectSandbox(
  session: AttemptSession,
  { provider, nowMs }: WorkerDeps,
): Promise<Settlement> {
  const observed = await provider.inspect(requireGuestRef(session), session.call);
  return settleAsObserved(observed, session.claim.sandbox, nowMs());
}
