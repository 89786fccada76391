/**
 * Removes one condemned guest, whatever its sandbox does meanwhile. A guest that was never seen is looked for
 * by its intent until its absence is conclusive; it is destroyed only on sight of its own marker. What a removal
 * or a clone that died has left at its place carries none: that is stuck, with the command that ends it.
 */
import type { GuestRef } from '../../core/guest.ts';
import { ProviderError } from '../../providers/provider-error.ts';
import type { Settlement } from '../../store/attempt-endings.ts';
import type { AttemptSession } from '../attempt-session.ts';
import type { WorkerDeps } from '../worker-deps.ts';

export async function discardGuest(session: AttemptSession, deps: WorkerDeps): Promise<Settlement> {
  const { guest } = session;
  if (guest === undefined) throw new Error(`${session.claim.operation.id} has no guest record`);
  const gone: Settlement = { operation: { state: 'succeeded' }, guestFate: 'gone' };
  if (guest.state === 'gone') return gone;

  // Whatever does not show its marker is left alone, and what only a person can free is told of as `stuck`.
  const remove = async (ref: GuestRef) => {
    await deps.provider.destroy(ref, session.call);
    return gone;
  };
  const sighting = await deps.provider.look(guest.intent, session.call);
  switch (sighting.kind) {
    case 'ours':
    case 'remains':
      return remove(sighting.ref);
    case 'foreign':
      return gone;
    case 'pending':
      if (sighting.ref) return remove(sighting.ref);
      throw new ProviderError({
        kind: 'still_creating',
        effect: 'unknown',
        message: `${guest.id} is still being created`,
      });
    case 'absent': {
      const { timing, provider, nowMs } = deps;
      const conclusiveAtMs = (guest.sentAtMs ?? 0) + timing.lease.sendDeadlineMs + provider.visibilityBoundMs;
      if (nowMs() >= conclusiveAtMs) return guest.ref ? gone : { ...gone, neverExisted: true };
      throw new ProviderError({
        kind: 'still_creating',
        effect: 'unknown',
        message: `${guest.id} is not there, and its create may still become visible`,
      });
    }
  }
}
