/**
 * Proxmox has no checkpoint for containers that could be relied on: `suspend` is an experiment of CRIU's whose
 * images all go to one folder, and one overwrites the other (facts §5). So a pause shuts down and a resume boots:
 * the disk is kept, memory is not, and both results say so.
 */
import type { GuestRef } from '../../core/guest.ts';
import type { PauseResult, ProviderCall, ResumeResult } from '../provider.ts';
import { isProviderError, withEffect } from '../provider-error.ts';
import { giveUpReservation, reserveForResume } from './pve-capacity.ts';
import type { PveContext } from './pve-context.ts';
import { readFacts } from './pve-endpoints.ts';
import { isRunning, reach, readStatus, runGuestTask } from './pve-guest.ts';
import { requireOwn } from './pve-locate.ts';
import { bootGuest } from './pve-start.ts';

/** Proxmox's own default: what runs inside gets this long to end by itself, and is then stopped. */
const SHUTDOWN_TIMEOUT_MS = 60_000;

export async function pauseContainer(
  ref: GuestRef,
  context: PveContext,
  call: ProviderCall,
): Promise<PauseResult> {
  const { place } = await requireOwn(ref, context, call);
  const isDown = async () => (await readStatus(place, context, call))?.status === 'stopped';
  if (!(await isDown())) {
    const timeoutMs = context.options.shutdownTimeoutMs ?? SHUTDOWN_TIMEOUT_MS;
    const shutdown = {
      step: 'shutdown',
      path: '/status/shutdown',
      params: { timeout: Math.ceil(timeoutMs / 1000), forceStop: 1 },
      task: 'shutdown',
      reached: isDown,
    };
    await reach(isDown, () => runGuestTask(shutdown, place, context, call), call);
  }
  return { preservesRam: false };
}

/** Containers never had memory to lose, so `allowColdBoot` is nothing to ask about. */
export async function resumeContainer(
  ref: GuestRef,
  context: PveContext,
  call: ProviderCall,
): Promise<ResumeResult> {
  const own = await requireOwn(ref, context, call);
  const { place, config } = own;
  const ran = isRunning(await readStatus(place, context, call));
  if (!ran) {
    await reserveForResume(place, config.memoryMib, context, call);
    await bootGuest(place, context, call).catch(async (error: unknown) => {
      await giveUpReservation(place, error, context);
      throw error;
    });
  }
  const facts = await readFacts(own, context, call).catch((error: unknown) => {
    throw isProviderError(error) ? withEffect(error, 'applied') : error;
  });
  return { facts, memoryKept: ran };
}
