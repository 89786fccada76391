import type { GuestIntent } from '../../core/guest.ts';
import type { ProviderCall } from '../provider.ts';
import { isProviderError, ProviderError, withEffect } from '../provider-error.ts';
import { pollUntil } from '../wait.ts';
import { findClone } from './pve-clone-tasks.ts';
import { cloneTimeoutOf, type PveContext } from './pve-context.ts';
import { PveError } from './pve-errors.ts';
import { guestFailure, stuckClone } from './pve-failures.ts';
import { isBeingCreated } from './pve-identity.ts';
import { type Located, locate, type OwnGuest } from './pve-locate.ts';
import { intendedPlace } from './pve-look.ts';
import { endCloneTurn } from './pve-permits.ts';

/** A lock without a task is believed when seen twice: task list and configuration are read one after the other. */
const ORPHAN_SIGHTINGS = 2;

/**
 * Waits until the clone is complete: our marker, no lock.
 * @throws ProviderError with `effect: 'none'` only when the clone has ended and our guest is proved absent.
 */
export async function settleClone(
  intent: GuestIntent,
  task: string | undefined,
  context: PveContext,
  call: ProviderCall,
): Promise<OwnGuest> {
  try {
    const own = await waitForClone(intent, task, context, call);
    if (task === undefined) await endCloneTurn(intent, context, call);
    return own;
  } catch (error) {
    if (isProviderError(error) && hasEnded(error)) await endCloneTurn(intent, context, call);
    throw error;
  }
}

/** Nothing came of it, or its worker died: nothing runs any more. */
function hasEnded({ report: { effect, kind } }: ProviderError): boolean {
  return effect === 'none' || kind === 'stuck';
}

async function waitForClone(
  intent: GuestIntent,
  task: string | undefined,
  context: PveContext,
  call: ProviderCall,
): Promise<OwnGuest> {
  const place = intendedPlace(intent, context);
  const timeoutMs = cloneTimeoutOf(context.options);
  const failure = task === undefined ? undefined : await endOfTask(task, context, call);
  if (task !== undefined) await endCloneTurn(intent, context, call);
  let orphanSightings = 0;
  const own = await pollUntil(
    async () => {
      const located = await locateOrUnknown(place, context, call);
      if (located.kind === 'hidden') return undefined;
      if (located.kind === 'absent') throw nothingThere(intent, task, failure, context);
      const { identity } = located;
      if (identity.kind === 'foreign' || identity.kind === 'remains') {
        throw await takenByOther(intent, located, identity.detail, context);
      }
      if (located.identity.kind === 'ours' && !isBeingCreated(located.config)) return located;
      const clone = await findCloneOrUnknown(place, intent.source, context, call);
      orphanSightings = clone.kind === 'none' ? orphanSightings + 1 : 0;
      if (orphanSightings >= ORPHAN_SIGHTINGS) {
        throw withEffect(stuckClone(located.place, located.config.lock ?? 'clone', context), 'applied');
      }
      return undefined;
    },
    { signal: call.signal, timeoutMs },
  );
  if (own !== undefined) return own;
  const text = `is still being cloned after ${timeoutMs / 1000} s`;
  throw withEffect(guestFailure('still_creating', place, text, context), 'unknown');
}

/** The way the task failed, `undefined` when it ended well. A task that still runs ends the wait here. */
async function endOfTask(
  task: string,
  context: PveContext,
  call: ProviderCall,
): Promise<PveError | undefined> {
  try {
    await context.tasks.wait(task, call);
    return undefined;
  } catch (error) {
    // What the guest looks like now decides, not the task's word.
    if (error instanceof PveError && error.task !== undefined) return error;
    throw isProviderError(error) ? withEffect(error, 'unknown') : error;
  }
}

const locateOrUnknown: typeof locate = (...args) => locate(...args).catch(asUnknown);
const findCloneOrUnknown: typeof findClone = (...args) => findClone(...args).catch(asUnknown);

/** A failed read leaves nothing behind, but says nothing about the guest either. */
function asUnknown(error: unknown): never {
  throw isProviderError(error) ? withEffect(error, 'unknown') : error;
}

/** Conclusive after a task of ours that has ended; without one the request may still be on its way. */
function nothingThere(
  intent: GuestIntent,
  task: string | undefined,
  failure: PveError | undefined,
  context: PveContext,
): ProviderError {
  if (failure !== undefined) return withEffect(failure, 'none');
  return new ProviderError({
    kind: 'not_found',
    effect: task === undefined ? 'unknown' : 'none',
    message: `${intent.guestId} is not there: VMID ${intent.vmid} is free in the whole cluster`,
    provider: context.kind.provider,
  });
}

async function takenByOther(
  intent: GuestIntent,
  located: Located & { readonly kind: 'found' },
  detail: string,
  context: PveContext,
): Promise<ProviderError> {
  // A guest that still bears our name may be ours, with its marker edited away: no proof of absence.
  const proved = located.config.name !== intent.guestId;
  if (proved) await context.vmids.reject(intent.guestId, located.place.vmid);
  return new ProviderError({
    kind: 'foreign_guest',
    effect: proved ? 'none' : 'unknown',
    message: `${detail}; our clone for ${intent.guestId} did not get its place`,
    provider: context.kind.provider,
  });
}
