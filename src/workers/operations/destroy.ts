import type { GuestRef } from '../../core/guest.ts';
import type { Settlement } from '../../store/attempt-endings.ts';
import type { AttemptSession } from '../attempt-session.ts';
import type { WorkerDeps } from '../worker-deps.ts';

export async function destroySandbox(session: AttemptSession, { provider }: WorkerDeps): Promise<Settlement> {
  const ref = refToDestroy(session);
  if (ref && session.guest?.state !== 'gone') await provider.destroy(ref, session.call);
  return {
    operation: { state: 'succeeded' },
    sandbox: { state: 'destroyed', cause: session.claim.operation.id },
    guestFate: 'gone',
  };
}

/** A missing guest record proves nothing: the sandbox knows where its guest was, and the marker decides there. */
function refToDestroy({ guest, claim }: AttemptSession): GuestRef | undefined {
  const { placement } = claim.sandbox ?? {};
  if (guest?.ref || placement === undefined) return guest?.ref;
  const { provider, guestId, nativeId, node } = placement;
  return { provider, guestId, nativeId, ...(node === undefined ? {} : { node }) };
}
