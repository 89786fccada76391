import type { Settlement } from '../../store/attempt-endings.ts';
import type { AttemptSession } from '../attempt-session.ts';
import type { WorkerDeps } from '../worker-deps.ts';

export async function destroySandbox(session: AttemptSession, { provider }: WorkerDeps): Promise<Settlement> {
  const ref = session.guest?.ref;
  // A guest that is gone already has no record, or one that says so.
  if (ref && session.guest?.state !== 'gone') await provider.destroy(ref, session.call);
  return {
    operation: { state: 'succeeded' },
    sandbox: { state: 'destroyed', cause: session.claim.operation.id },
    guestFate: 'gone',
  };
}
