import type { GuestIntent } from '../../core/guest.ts';
import type { ProviderCall, Sighting } from '../provider.ts';
import { ProviderError } from '../provider-error.ts';
import { findClone } from './pve-clone-tasks.ts';
import type { PveContext } from './pve-context.ts';
import { locate } from './pve-locate.ts';
import { type Place, refOf } from './pve-place.ts';

/** Looks where the intent said the guest would be: first at the VMID, then for a clone that is to fill it. */
export async function look(intent: GuestIntent, context: PveContext, call: ProviderCall): Promise<Sighting> {
  const place = intendedPlace(intent, context);
  const located = await locate(place, context, call);
  if (located.kind === 'hidden') return { kind: 'pending' };
  if (located.kind === 'found') {
    const { identity } = located;
    const ref = refOf(located.place, context);
    if (identity.kind === 'ours') return { kind: 'ours', ref };
    if (identity.kind === 'remains') return { kind: 'remains', ref, detail: identity.detail };
    if (identity.kind === 'foreign') return { kind: 'foreign', detail: identity.detail };
  }
  const clone = await findClone(place, intent.source, context, call);
  const found = located.kind === 'found' ? { ref: refOf(located.place, context) } : {};
  if (clone.kind === 'running') return { kind: 'pending', task: clone.task, ...found };
  return located.kind === 'absent' && clone.kind === 'none'
    ? { kind: 'absent' }
    : { kind: 'pending', ...found };
}

export function intendedPlace(intent: GuestIntent, context: PveContext): Place {
  const { vmid, node } = intent;
  if (vmid !== undefined && node !== undefined) return { guestId: intent.guestId, vmid, node };
  throw new ProviderError({
    kind: 'invalid_request',
    effect: 'none',
    message: `the intent of ${intent.guestId} names no node and VMID: it was not made by this driver`,
    provider: context.kind.provider,
  });
}
