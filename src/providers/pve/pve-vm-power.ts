/**
 * Pause is suspend to disk, resume wakes from it: the memory is kept. A VM that is off without a memory image
 * is not paused by us but found stopped, and says so.
 */
import type { GuestRef } from '../../core/guest.ts';
import type { PauseResult, ProviderCall, ResumeRequest, ResumeResult } from '../provider.ts';
import { isProviderError, ProviderError, withEffect } from '../provider-error.ts';
import { giveUpReservation, reserveForResume } from './pve-capacity.ts';
import { rightClock } from './pve-clock.ts';
import type { PveContext } from './pve-context.ts';
import { readFacts } from './pve-endpoints.ts';
import { isRefusal, PveError } from './pve-errors.ts';
import { guestFailure, stuck } from './pve-failures.ts';
import { findGuestTask, isHibernated, isRunning, isStopped, readStatus, runGuestTask } from './pve-guest.ts';
import { type OwnGuest, requireOwn } from './pve-locate.ts';
import { chooseImageStorage, giveBackImageRoom, reserveImageRoom } from './pve-memory-room.ts';
import { suspendPermit, withPermit } from './pve-permits.ts';
import type { Place } from './pve-place.ts';
import type { GuestStatus } from './pve-schemas.ts';
import { bootGuest, whileBooting } from './pve-start.ts';

const SUSPEND = { step: 'suspend', path: '/status/suspend', params: { todisk: 1 }, task: 'suspend' };
const RESUME = { step: 'resume', path: '/status/resume', task: 'resume' };

export async function pauseVm(ref: GuestRef, context: PveContext, call: ProviderCall): Promise<PauseResult> {
  const own = await requireOwn(ref, context, call);
  try {
    const result = await suspend(own, context, call);
    await giveBackImageRoom(own.place, context);
    return result;
  } catch (error) {
    // Otherwise an image may still be written.
    if (isProviderError(error) && error.report.effect === 'none') await giveBackImageRoom(own.place, context);
    throw error;
  }
}

async function suspend(
  { place, config }: OwnGuest,
  context: PveContext,
  call: ProviderCall,
): Promise<PauseResult> {
  const before = await readSettledStatus(place, context, call);
  if (isHibernated(before)) return { preservesRam: true };
  if (isStopped(before)) return { preservesRam: false };
  const storage = await chooseImageStorage(place, config, context, call);
  const use = { node: place.node, taskType: 'qmsuspend', vmid: place.vmid };
  const failure = await failureOf(
    withPermit(suspendPermit(storage.name, context), use, context, call, async () => {
      await reserveImageRoom(place, config, storage, context);
      return runGuestTask(SUSPEND, place, context, call);
    }),
  );
  if (failure?.report.kind === 'waiting') throw failure;
  const after = await readAfter(failure, place, context, call);
  if (isHibernated(after)) return { preservesRam: true };
  // It powered itself off in between: `VM 105 not running`.
  if (isStopped(after)) return { preservesRam: false };
  throw (
    settledFailure(failure, after) ??
    guestFailure('wrong_state', place, 'is not hibernated after its suspend', context)
  );
}

export async function resumeVm(
  ref: GuestRef,
  options: ResumeRequest,
  context: PveContext,
  call: ProviderCall,
): Promise<ResumeResult> {
  const own = await requireOwn(ref, context, call);
  const broughtBack = await bringBack(own, options, context, call);
  const memoryKept = broughtBack !== 'booted';
  const facts = await readFacts(own, context, call).catch((error: unknown) => {
    throw isProviderError(error) ? withEffect(error, 'applied') : error;
  });
  // A boot from disk takes the time from the machine's own clock, which is the host's. One that ran may have
  // been woken by an attempt that ended before it set the clock.
  const hasSlept = broughtBack === 'woke' || (broughtBack === 'ran' && options.wasPaused === true);
  return hasSlept
    ? { facts, memoryKept, clock: await rightClock(own.place, context, call) }
    : { facts, memoryKept };
}

/** How it came to run: it did already, its memory came back, or it came up from its disk alone. */
async function bringBack(
  { place, config }: OwnGuest,
  options: ResumeRequest,
  context: PveContext,
  call: ProviderCall,
): Promise<'ran' | 'woke' | 'booted'> {
  const before = await readSettledStatus(place, context, call);
  if (isRunning(before)) return 'ran';
  if (isStopped(before) && !options.allowColdBoot) throw memoryLost(place, context);
  await reserveForResume(place, config.memoryMib, context, call);
  try {
    if (!isStopped(before)) return await wake(place, options, context, call);
    await bootGuest(place, context, call);
    return 'booted';
  } catch (error) {
    await giveUpReservation(place, error, context);
    throw error;
  }
}

/** From disk, or from a pause in memory that a person made. */
async function wake(
  place: Place,
  options: ResumeRequest,
  context: PveContext,
  call: ProviderCall,
): Promise<'woke' | 'booted'> {
  const failure = await failureOf(
    whileBooting(place, context, call, 'resume', () => runGuestTask(RESUME, place, context, call)),
  );
  if (failure?.report.kind === 'waiting') throw failure;
  const after = await readAfter(failure, place, context, call);
  if (isRunning(after)) return 'woke';
  if (isStopped(after)) {
    if (!options.allowColdBoot) throw memoryLost(place, context);
    await bootGuest(place, context, call);
    return 'booted';
  }
  // Proxmox hides a lock it could not get in time behind `not running` (facts §4): the image is still there.
  if (isHibernated(after) && isRefusal(failure, 'not_running')) {
    throw new ProviderError({ ...failure.report, kind: 'contention', effect: 'none', cause: failure });
  }
  throw (
    settledFailure(failure, after) ??
    guestFailure('wrong_state', place, 'does not run after its resume', context)
  );
}

function memoryLost(place: Place, context: PveContext): ProviderError {
  return new ProviderError({
    kind: 'memory_lost',
    effect: 'none',
    message: `${place.guestId} is powered off and has no memory image: what ran in it is gone, its disk is not`,
    remediation: 'Resume it with onLostMemory: "cold-boot" to start it from its disk.',
    provider: context.kind.provider,
  });
}

/**
 * The status once no suspend is under way: a pause begun elsewhere is waited for. A `suspending` lock that no
 * task holds stays until a person removes it.
 */
async function readSettledStatus(
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<GuestStatus | undefined> {
  const status = await readStatus(place, context, call);
  if (status?.lock !== 'suspending') return status;
  const task = await findGuestTask('suspend', place, context, call);
  // However it ended, the guest's state tells.
  if (task !== undefined) await failureOf(context.tasks.wait(task, call));
  const now = await readStatus(place, context, call);
  if (now?.lock === 'suspending') throw stuck(place, 'suspending', context);
  return now;
}

/** The state after an action; when it cannot be read, the action's own failure is the better answer. */
async function readAfter(
  failure: ProviderError | undefined,
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<GuestStatus | undefined> {
  try {
    return await readSettledStatus(place, context, call);
  } catch (error) {
    if (!isProviderError(error) || error.report.kind === 'stuck') throw error;
    throw failure ?? withEffect(error, 'applied');
  }
}

async function failureOf(work: Promise<unknown>): Promise<ProviderError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (isProviderError(error)) return error;
    throw error;
  }
}

/** A task that has ended and left the guest in a steady state has left nothing else behind. */
function settledFailure(
  failure: ProviderError | undefined,
  after: GuestStatus | undefined,
): ProviderError | undefined {
  const settled = isRunning(after) || isHibernated(after);
  return failure instanceof PveError && failure.task !== undefined && settled
    ? withEffect(failure, 'none')
    : failure;
}
