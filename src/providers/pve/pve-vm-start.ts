/**
 * From an intent to a running VM.
 *
 * `create` sends the one clone request. `bringUp` may be called again at any time: each of its stages begins by
 * looking whether it is done. Its failures say `applied` once a guest of ours was seen, `unknown` before, and
 * `none` only when the clone has ended and left nothing.
 */
import type { GuestIntent, GuestRef } from '../../core/guest.ts';
import { formatMarkerLine } from '../../core/marker.ts';
import type { CreatedGuest, GuestFacts, ProviderCall } from '../provider.ts';
import { isProviderError, ProviderError, withEffect } from '../provider-error.ts';
import { configureGuest } from './pve-configure.ts';
import type { PveContext } from './pve-context.ts';
import { readFacts } from './pve-endpoints.ts';
import { isRefusal } from './pve-errors.ts';
import { isRunning, reach, readStatus, runGuestTask } from './pve-guest.ts';
import { intendedPlace, look } from './pve-look.ts';
import { guestPath, type Place, refOf } from './pve-place.ts';
import { upidSchema } from './pve-schemas.ts';
import { settleClone } from './pve-settle-clone.ts';

export async function createVm(
  intent: GuestIntent,
  context: PveContext,
  call: ProviderCall,
): Promise<CreatedGuest> {
  const place = intendedPlace(intent, context);
  const params = {
    newid: place.vmid,
    name: intent.guestId,
    description: formatMarkerLine(intent.marker),
    full: 0,
  };
  const path = `${guestPath(context.kind, place.node, Number(intent.source))}/clone`;
  try {
    const task = await context.api.change({ step: 'create', method: 'POST', path, params }, upidSchema, call);
    return { ref: refOf(place, context), task };
  } catch (error) {
    if (isRefusal(error, 'guest_missing')) throw sourceGone(intent, error, context);
    if (isRefusal(error, 'vmid_taken')) return await judgeCollision(intent, error, context, call);
    throw error;
  }
}

/** `already exists` may be said of our own clone: only what is there decides (architecture 4.3). */
async function judgeCollision(
  intent: GuestIntent,
  error: ProviderError,
  context: PveContext,
  call: ProviderCall,
): Promise<CreatedGuest> {
  const sighting = await look(intent, context, call);
  if (sighting.kind === 'ours') return { ref: sighting.ref };
  if (sighting.kind !== 'foreign') throw withEffect(error, 'unknown');
  await context.vmids.reject(intent.guestId, Number(intent.vmid));
  throw new ProviderError({
    kind: 'foreign_guest',
    effect: 'none',
    message: `${sighting.detail}; nothing was created`,
    provider: context.kind.provider,
    cause: error,
  });
}

function sourceGone(intent: GuestIntent, cause: ProviderError, context: PveContext): ProviderError {
  return new ProviderError({
    kind: 'source_missing',
    effect: 'none',
    message: `template ${intent.source} is gone from ${intent.node}`,
    remediation: 'Point the preset to a template that exists; cmux deletes all but its newest templates.',
    provider: context.kind.provider,
    cause,
  });
}

export async function bringUpVm(
  intent: GuestIntent,
  created: { readonly ref: GuestRef; readonly task?: string },
  context: PveContext,
  call: ProviderCall,
): Promise<GuestFacts> {
  const own = await settleClone(intent, created.task, context, call);
  try {
    const configured = await configureGuest(own, context, call);
    await bootVm(configured.place, context, call);
    return await readFacts(configured, context, call);
  } catch (error) {
    throw isProviderError(error) ? withEffect(error, 'applied') : error;
  }
}

/** Also the cold boot of a resume. */
export async function bootVm(place: Place, context: PveContext, call: ProviderCall): Promise<void> {
  const isUp = async () => isRunning(await readStatus(place, context, call));
  if (await isUp()) return;
  const start = { step: 'boot', path: '/status/start', task: 'start' };
  await reach(isUp, () => runGuestTask(start, place, context, call), call);
}
