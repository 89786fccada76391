/**
 * From an intent to a running guest, for both kinds.
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
import { bootPermit, endCloneTurn, noteClone, withPermit } from './pve-permits.ts';
import { guestPath, type Place, refOf } from './pve-place.ts';
import { upidSchema } from './pve-schemas.ts';
import { settleClone } from './pve-settle-clone.ts';
import { taskBeganAtMs } from './pve-tasks.ts';

export async function createGuest(
  intent: GuestIntent,
  context: PveContext,
  call: ProviderCall,
): Promise<CreatedGuest> {
  const place = intendedPlace(intent, context);
  const params = {
    newid: place.vmid,
    [context.kind.nameParameter]: intent.guestId,
    description: formatMarkerLine(intent.marker),
    full: 0,
  };
  const path = `${guestPath(context.kind, place.node, Number(intent.source))}/clone`;
  try {
    const task = await context.api.change({ step: 'create', method: 'POST', path, params }, upidSchema, call);
    await noteClone(intent, task, context, call);
    const sinceMs = taskBeganAtMs(task);
    return { ref: refOf(place, context), task, ...(sinceMs === undefined ? {} : { billed: { sinceMs } }) };
  } catch (error) {
    const judged = await judgeRefusal(intent, error, context, call);
    if ('created' in judged) return judged.created;
    await endTurnIfNothingRuns(intent, judged.failure, context, call);
    throw judged.failure;
  }
}

type Judged = { readonly created: CreatedGuest } | { readonly failure: unknown };

async function judgeRefusal(
  intent: GuestIntent,
  error: unknown,
  context: PveContext,
  call: ProviderCall,
): Promise<Judged> {
  if (isRefusal(error, 'guest_missing')) return { failure: sourceGone(intent, error, context) };
  if (!isRefusal(error, 'vmid_taken')) return { failure: error };
  return await judgeCollision(intent, error, context, call);
}

/** Contention passes and is tried again with the same guest, which keeps its turn meanwhile. */
async function endTurnIfNothingRuns(
  intent: GuestIntent,
  failure: unknown,
  context: PveContext,
  call: ProviderCall,
): Promise<void> {
  if (!isProviderError(failure)) return;
  const { effect, kind } = failure.report;
  if (effect === 'none' && kind !== 'contention') await endCloneTurn(intent, context, call);
}

/** `already exists` may be said of our own clone: only what is there decides (architecture 4.3). */
async function judgeCollision(
  intent: GuestIntent,
  error: ProviderError,
  context: PveContext,
  call: ProviderCall,
): Promise<Judged> {
  const sighting = await look(intent, context, call).catch((unseen: unknown) => {
    throw isProviderError(unseen) ? withEffect(unseen, 'unknown') : unseen;
  });
  if (sighting.kind === 'ours') return { created: { ref: sighting.ref } };
  if (sighting.kind !== 'foreign' && sighting.kind !== 'remains')
    return { failure: withEffect(error, 'unknown') };
  await context.vmids.reject(intent.guestId, Number(intent.vmid));
  const failure = new ProviderError({
    kind: 'foreign_guest',
    effect: 'none',
    message: `${sighting.detail}; nothing was created`,
    provider: context.kind.provider,
    cause: error,
  });
  return { failure };
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

export async function bringUpGuest(
  intent: GuestIntent,
  created: { readonly ref: GuestRef; readonly task?: string },
  context: PveContext,
  call: ProviderCall,
): Promise<GuestFacts> {
  const own = await settleClone(intent, created.task, context, call);
  try {
    const configured = await configureGuest(own, intent.size, context, call);
    await bootGuest(configured.place, context, call);
    return await readFacts(configured, context, call);
  } catch (error) {
    throw isProviderError(error) ? withEffect(error, 'applied') : error;
  }
}

/** Also the cold boot of a resume. */
export async function bootGuest(place: Place, context: PveContext, call: ProviderCall): Promise<void> {
  const isUp = async () => isRunning(await readStatus(place, context, call));
  if (await isUp()) return;
  const start = { step: 'boot', path: '/status/start', task: 'start', reached: isUp };
  await whileBooting(place, context, call, 'start', () =>
    reach(isUp, () => runGuestTask(start, place, context, call), call),
  );
}

/** Starts and resumes share the places of their node. */
export async function whileBooting<T>(
  place: Place,
  context: PveContext,
  call: ProviderCall,
  task: 'start' | 'resume',
  work: () => Promise<T>,
): Promise<T> {
  const { node, vmid } = place;
  const use = { node, taskType: context.kind.taskPrefix + task, vmid };
  return await withPermit(bootPermit(node, context), use, context, call, work);
}
