/**
 * Finding a guest, and proving that there is none.
 *
 * A node that says "does not exist" proves nothing alone: the guest may have been migrated. It is absent when
 * the node says so *and* the cluster calls the VMID free (`nextid?vmid=`). A 403 is never absence: rights that
 * come from a pool end with the guest's membership (facts §1, "Trap").
 */

import { z } from 'zod';
import type { GuestRef } from '../../core/guest.ts';
import type { ProviderCall } from '../provider.ts';
import { type ProviderError, withEffect } from '../provider-error.ts';
import { findClone } from './pve-clone-tasks.ts';
import type { PveContext } from './pve-context.ts';
import { isRefusal } from './pve-errors.ts';
import { guestFailure, stuck, stuckClone } from './pve-failures.ts';
import { type Identity, identify } from './pve-identity.ts';
import { guestPath, type Place, placeOf } from './pve-place.ts';
import { type GuestConfig, guestConfigSchema, type ResourceRow, resourceRowsSchema } from './pve-schemas.ts';

export type Located =
  | {
      readonly kind: 'found';
      readonly place: Place;
      readonly config: GuestConfig;
      readonly identity: Identity;
    }
  | { readonly kind: 'absent' }
  /** The VMID is taken and we cannot read by whom: nothing follows from it. */
  | { readonly kind: 'hidden'; readonly detail: string };

export async function locate(place: Place, context: PveContext, call: ProviderCall): Promise<Located> {
  const here = await foundAt(place, context, call);
  if (here !== undefined) return here;
  if (await isVmidFree(place.vmid, context, call)) return { kind: 'absent' };
  const row = (await readResources(context, call)).find((candidate) => candidate.vmid === place.vmid);
  if (row === undefined) {
    // Created between the two questions, or out of our token's sight.
    const now = await foundAt(place, context, call);
    return now ?? { kind: 'hidden', detail: `VMID ${place.vmid} is taken by a guest our token cannot see` };
  }
  if (row.type !== context.kind.path) return ofOtherKind(place, row);
  const there = await foundAt({ ...place, node: row.node }, context, call);
  return there ?? { kind: 'hidden', detail: `VMID ${place.vmid} is on its way to ${row.node}` };
}

async function foundAt(place: Place, context: PveContext, call: ProviderCall): Promise<Located | undefined> {
  const config = await readConfig(place.node, place.vmid, context, call).catch((error: unknown) => {
    // On a VMID of our own this is a hole in our rights, and says nothing about the guest.
    throw isRefusal(error, 'forbidden') ? withEffect(error, 'unknown') : error;
  });
  if (config === undefined) return undefined;
  return { kind: 'found', place, config, identity: identify(config, place.guestId, place.vmid) };
}

/** VMIDs are unique in the cluster: a container at the VMID of a VM of ours is somebody else's. */
function ofOtherKind(place: Place, row: ResourceRow): Located {
  const detail = `VMID ${place.vmid} is a guest of type ${row.type} on ${row.node}`;
  return {
    kind: 'found',
    place,
    config: guestConfigSchema.parse({}),
    identity: { kind: 'foreign', detail },
  };
}

/** `undefined`: the node says that there is none, which proves nothing alone. */
export async function readConfig(
  node: string,
  vmid: number,
  context: PveContext,
  call: ProviderCall,
): Promise<GuestConfig | undefined> {
  try {
    return await context.api.read(`${guestPath(context.kind, node, vmid)}/config`, guestConfigSchema, call);
  } catch (error) {
    if (isRefusal(error, 'guest_missing')) return undefined;
    throw error;
  }
}

export async function isVmidFree(vmid: number, context: PveContext, call: ProviderCall): Promise<boolean> {
  try {
    await context.api.read('/cluster/nextid', z.unknown(), call, { vmid });
    return true;
  } catch (error) {
    if (isRefusal(error, 'vmid_taken')) return false;
    throw error;
  }
}

export function readResources(context: PveContext, call: ProviderCall): Promise<readonly ResourceRow[]> {
  return context.api.read('/cluster/resources', resourceRowsSchema, call, { type: 'vm' });
}

export interface OwnGuest {
  readonly place: Place;
  readonly config: GuestConfig;
}

/**
 * The guest, proved ours, or `undefined` when it is proved absent.
 * @throws ProviderError `foreign_guest` when somebody else's is there, `still_creating` or `stuck` when what is
 * there does not say whose it is, `contention` when it cannot be seen.
 */
export async function findOwn(
  ref: GuestRef,
  context: PveContext,
  call: ProviderCall,
): Promise<OwnGuest | undefined> {
  const located = await locate(placeOf(ref, context), context, call);
  if (located.kind === 'absent') return undefined;
  if (located.kind === 'hidden') {
    throw guestFailure('contention', placeOf(ref, context), `cannot be seen: ${located.detail}`, context);
  }
  const { identity, place, config } = located;
  switch (identity.kind) {
    case 'ours':
      return { place, config };
    case 'unsigned':
      throw await judgeUnsigned(place, config, context, call);
    case 'remains':
      throw await judgeRemains(place, context, call);
    case 'foreign':
      throw guestFailure('foreign_guest', place, `stays untouched: ${identity.detail}`, context);
  }
}

/** Without a clone at work its marker will never come, and only a person can tell what it is. */
async function judgeUnsigned(
  place: Place,
  config: GuestConfig,
  context: PveContext,
  call: ProviderCall,
): Promise<ProviderError> {
  const clone = await findClone(place, undefined, context, call);
  if (clone.kind !== 'none') return guestFailure('still_creating', place, 'is still being cloned', context);
  if (!(await isStill('unsigned', place, context, call))) return changed(place, context);
  return stuckClone(place, config.lock ?? 'clone', context);
}

/** The last step of a destroy may still be under way; without a task only a person can finish it. */
async function judgeRemains(place: Place, context: PveContext, call: ProviderCall): Promise<ProviderError> {
  const type = `${context.kind.taskPrefix}destroy`;
  const tasks = await context.tasks.active(place.node, type, String(place.vmid), call);
  if (tasks.length > 0) return guestFailure('contention', place, 'is still being destroyed', context);
  if (!(await isStill('remains', place, context, call))) return changed(place, context);
  return stuck(place, 'destroyed', context);
}

/** The task list is read after the configuration: a task that ended in between is in neither. */
async function isStill(
  kind: Identity['kind'],
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<boolean> {
  const located = await locate(place, context, call);
  return located.kind === 'found' && located.identity.kind === kind;
}

function changed(place: Place, context: PveContext): ProviderError {
  return guestFailure('contention', place, 'changed while it was looked at', context);
}

/** As `findOwn`, for operations that need the guest to be there. */
export async function requireOwn(ref: GuestRef, context: PveContext, call: ProviderCall): Promise<OwnGuest> {
  const own = await findOwn(ref, context, call);
  if (own !== undefined) return own;
  const text = 'does not exist: its node does not know it, and its VMID is free in the whole cluster';
  throw guestFailure('not_found', placeOf(ref, context), text, context);
}
