import type { GuestRef } from '../../core/guest.ts';
import type { AttemptSession } from '../attempt-session.ts';

/** A sandbox that runs or is paused points to a guest that was seen; anything else is a broken record. */
export function requireGuestRef({ claim, guest }: AttemptSession): GuestRef {
  if (guest?.ref) return guest.ref;
  throw new Error(`sandbox ${claim.operation.sandboxId} has no guest on record`);
}
