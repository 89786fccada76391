import type { Guest } from './guest.ts';
import { isSettled, type Operation } from './operation.ts';
import type { ProviderName } from './provider-name.ts';

/** The guests that a start meant to create at this provider; one that is not recorded was never sent. */
export function guestsMeantFor({ attempts }: Operation, provider: ProviderName): readonly string[] {
  const there = attempts.filter((attempt) => attempt.provider === provider);
  return [...new Set(there.flatMap(({ guestId }) => guestId ?? []))];
}

/**
 * Whether nothing of it runs any more, anywhere: it succeeded, which was seen at the guest, and was never tried at
 * another provider, where something might still run.
 */
export function isDone({ state, attempts }: Operation): boolean {
  return state === 'succeeded' && new Set(attempts.map(({ provider }) => provider)).size === 1;
}

/**
 * Whether nothing runs, or is going to be sent, under the turn to clone that this operation has at this provider: it
 * has settled or goes on elsewhere, so that no claim of it sends here any more, and no create of it was let go here.
 * @param guests what is recorded of `guestsMeantFor`; `undefined` where the record is gone, and with it the knowledge
 */
export function isTurnOver(
  { kind, state, attempts }: Operation,
  guests: readonly (Guest | undefined)[],
  provider: ProviderName,
): boolean {
  // What a pause or a boot has sent shows on no record.
  if (kind !== 'start') return false;
  const open = attempts.find(({ outcome }) => outcome === 'open');
  const isElsewhere = open !== undefined && open.provider !== provider;
  if (!isSettled(state) && !isElsewhere) return false;
  return guests.every((guest) => guest !== undefined && guest.sentAtMs === undefined);
}
