/**
 * Destroying, for both kinds. Nothing is stopped or removed by VMID alone: right before each of the two, name
 * and marker are read anew, because a VMID that was ours may be another's by now.
 */
import type { GuestRef } from '../../core/guest.ts';
import type { ProviderCall } from '../provider.ts';
import { isProviderError, ProviderError } from '../provider-error.ts';
import { pollUntil } from '../wait.ts';
import { findClone } from './pve-clone-tasks.ts';
import type { PveContext } from './pve-context.ts';
import { isRefusal } from './pve-errors.ts';
import { guestFailure, stuck, stuckClone, unlockCommand } from './pve-failures.ts';
import { findGuestTask, reach, readStatus, runGuestTask } from './pve-guest.ts';
import { isBeingCreated } from './pve-identity.ts';
import { findOwn, type OwnGuest } from './pve-locate.ts';
import { destroyPermit, withPermit } from './pve-permits.ts';
import { type Place, refOf } from './pve-place.ts';

/** Stop, remove, and once more each for a guest that somebody starts meanwhile. */
const DESTROY_ROUNDS = 4;

export async function destroyGuest(ref: GuestRef, context: PveContext, call: ProviderCall): Promise<void> {
  const found = await findOwn(ref, context, call);
  if (found === undefined) return;
  const { node, vmid } = found.place;
  const use = { node, taskType: `${context.kind.taskPrefix}destroy`, vmid };
  const work = () => stopAndRemove(ref, context, call);
  await withPermit(destroyPermit(context), use, context, call, work).catch((error: unknown) => {
    throw isRefusal(error, 'locked') ? orUnlock(error, found.place, context) : error;
  });
}

/**
 * The lock of a backup or a snapshot passes, and the destroy goes on after it; unless its task died. That we
 * cannot tell: `vzdump` names no guest when it saves several. So whoever looks is told how to free the guest.
 */
function orUnlock(error: ProviderError, place: Place, context: PveContext): ProviderError {
  const command = unlockCommand(place, context);
  const remediation = `It is tried again. If no backup or other task is at work on it: ${command}`;
  return new ProviderError({ ...error.report, remediation, cause: error });
}

async function stopAndRemove(ref: GuestRef, context: PveContext, call: ProviderCall): Promise<void> {
  for (let round = 0; round < DESTROY_ROUNDS; round += 1) {
    const found = await findOwn(ref, context, call);
    if (found === undefined) return;
    await waitForLock(found, context, call);
    const status = await readStatus(found.place, context, call);
    const own = await findOwn(refOf(found.place, context), context, call);
    if (own === undefined) return;
    refuseProtected(own, context);
    if (status?.status !== 'stopped') {
      await stopGuest(own.place, context, call);
    } else if (await removeGuest(own.place, context, call)) {
      return;
    }
  }
  throw new ProviderError({
    kind: 'wrong_state',
    effect: 'applied',
    message: `${ref.guestId} keeps being started while it is to be destroyed`,
    provider: context.kind.provider,
  });
}

/**
 * A hibernated guest (`suspended`) may be destroyed as it is. Locks of a task that still runs pass; those of a
 * task that died stay until a person removes them. All others (`backup`, `snapshot`) are Proxmox's to refuse.
 */
async function waitForLock(own: OwnGuest, context: PveContext, call: ProviderCall): Promise<void> {
  const { lock } = own.config;
  if (isBeingCreated(own.config)) {
    const clone = await findClone(own.place, undefined, context, call);
    if (clone.kind !== 'none') {
      throw guestFailure('still_creating', own.place, 'is still being cloned', context);
    }
  } else if (lock === 'suspending' || lock === 'destroyed') {
    const taskType = lock === 'suspending' ? 'suspend' : 'destroy';
    const task = await findGuestTask(taskType, own.place, context, call);
    if (task !== undefined) await settled(context.tasks.wait(task, call));
  } else {
    return;
  }
  const now = await findOwn(refOf(own.place, context), context, call);
  if (now !== undefined && lock !== undefined && now.config.lock === lock) {
    throw isBeingCreated(now.config) ? stuckClone(own.place, lock, context) : stuck(own.place, lock, context);
  }
}

async function stopGuest(place: Place, context: PveContext, call: ProviderCall): Promise<void> {
  const isDown = async () => (await readStatus(place, context, call))?.status === 'stopped';
  const stop = { step: 'stop', path: '/status/stop', task: 'stop', reached: isDown };
  await reach(isDown, () => runGuestTask(stop, place, context, call), call);
}

/** pmxcfs shows a change of another node within milliseconds (facts §7); this is for a node that labours. */
const ABSENCE_TIMEOUT_MS = 10_000;

/** False when it turned out to run. */
async function removeGuest(place: Place, context: PveContext, call: ProviderCall): Promise<boolean> {
  const ref = refOf(place, context);
  const isGone = async () => (await findOwn(ref, context, call)) === undefined;
  const remove = {
    step: 'destroy',
    method: 'DELETE',
    path: '',
    // Without these, disks that the configuration no longer names and backup jobs would stay (facts §4).
    params: { purge: 1, 'destroy-unreferenced-disks': 1 },
    task: 'destroy',
  } as const;
  try {
    await reach(isGone, () => runGuestTask(remove, place, context, call), call);
  } catch (error) {
    if (isRefusal(error, 'still_running')) return false;
    throw error;
  }
  const gone = await pollUntil(async () => ((await isGone()) ? true : undefined), {
    signal: call.signal,
    timeoutMs: ABSENCE_TIMEOUT_MS,
  });
  if (gone) return true;
  throw stuck(place, 'destroyed', context);
}

/** Somebody set Proxmox's own protection: we clear it on every guest, so it was a person, and it stands. */
function refuseProtected(own: OwnGuest, context: PveContext): void {
  if (!own.config.protection) return;
  const { command } = context.kind;
  const { report } = guestFailure('wrong_state', own.place, 'has the protection flag set', context);
  throw new ProviderError({
    ...report,
    remediation: `${command} set ${own.place.vmid} --protection 0   # as root on ${own.place.node}`,
  });
}

async function settled(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!isProviderError(error)) throw error;
  });
}
