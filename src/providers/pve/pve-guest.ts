/** Reading a guest's state, changing it through a task, and what is left to people. */
import type { z } from 'zod';
import type { ProviderCall } from '../provider.ts';
import { isProviderError, ProviderError } from '../provider-error.ts';
import { pollUntil } from '../wait.ts';
import type { PveChange } from './pve-api.ts';
import type { PveContext } from './pve-context.ts';
import { isRefusal } from './pve-errors.ts';
import { guestPath, type Place } from './pve-place.ts';
import { type GuestStatus, guestStatusSchema, upidSchema } from './pve-schemas.ts';
import { taskBeganAtMs } from './pve-tasks.ts';

/** `undefined`: the node says that there is none. */
export async function readStatus(
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<GuestStatus | undefined> {
  const path = `${guestPath(context.kind, place.node, place.vmid)}/status/current`;
  try {
    return await context.api.read(path, guestStatusSchema, call);
  } catch (error) {
    if (isRefusal(error, 'guest_missing')) return undefined;
    throw error;
  }
}

/** Proxmox has no state of that name: a hibernated VM is stopped and locked `suspended` (facts §4). */
export function isHibernated(status: GuestStatus | undefined): boolean {
  return status?.status === 'stopped' && status.lock === 'suspended';
}

export function isRunning(status: GuestStatus | undefined): boolean {
  return status?.status === 'running' && (status.qmpstatus ?? 'running') === 'running';
}

export function isStopped(status: GuestStatus | undefined): boolean {
  return status?.status === 'stopped' && status.lock === undefined;
}

export interface GuestTask {
  readonly step: string;
  readonly method?: PveChange['method'];
  /** Below the guest's path: `/status/start`. */
  readonly path: string;
  readonly params?: PveChange['params'];
  /** Without the kind's prefix: `start` for `qmstart`. */
  readonly task: string;
  /** For what the HA manager may carry out in Proxmox's place: whether it has. */
  readonly reached?: () => Promise<boolean>;
}

/** Tasks after which a guest holds memory. */
const BOOTS: ReadonlySet<string> = new Set(['start', 'resume']);

/** The HA manager acts in rounds of ten seconds, and a guest needs time to boot or to shut down after that. */
const HA_TIMEOUT_MS = 3 * 60_000;

/**
 * Sends a request that starts a task on a guest, and waits for it. When the reply was lost it looks for the
 * task instead of asking again; when there is none the failure stands, and only the guest's state can tell.
 */
export async function runGuestTask(
  wanted: GuestTask,
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<void> {
  const path = guestPath(context.kind, place.node, place.vmid) + wanted.path;
  const change: PveChange = {
    step: wanted.step,
    method: wanted.method ?? 'POST',
    path,
    ...(wanted.params === undefined ? {} : { params: wanted.params }),
  };
  const upid = await sendOrAdopt(change, upidSchema, wanted.task, place, context, call);
  await context.tasks.wait(upid, call);
  const beganAtMs = taskBeganAtMs(upid);
  if (beganAtMs !== undefined && BOOTS.has(wanted.task)) call.noteRunning?.(beganAtMs);
  if (wanted.reached !== undefined && isRequestToHa(upid)) {
    await waitForHa(wanted.reached, upid, context, call);
  }
}

/** For guests that HA manages, `hastart` and `hastop` end as soon as the *wish* is written (facts §2, §7). */
function isRequestToHa(upid: string): boolean {
  return /:ha(start|stop):/.test(upid);
}

async function waitForHa(
  reached: () => Promise<boolean>,
  upid: string,
  context: PveContext,
  call: ProviderCall,
): Promise<void> {
  const done = await pollUntil(async () => ((await reached()) ? true : undefined), {
    signal: call.signal,
    timeoutMs: HA_TIMEOUT_MS,
  });
  if (done) return;
  throw new ProviderError({
    kind: 'timed_out',
    effect: 'unknown',
    message: `the HA manager has not carried out ${upid} within ${HA_TIMEOUT_MS / 1000} s`,
    remediation: 'Look at `ha-manager status` on a node, or take the guest out of HA.',
    provider: context.kind.provider,
  });
}

async function sendOrAdopt(
  change: PveChange,
  schema: z.ZodType<string>,
  taskType: string,
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<string> {
  try {
    return await context.api.change(change, schema, call);
  } catch (error) {
    if (!isProviderError(error) || error.report.effect === 'none') throw error;
    const task = await findGuestTask(taskType, place, context, call).catch((unseen: unknown) => {
      // The provider does not answer this either: what the change itself met is what is known.
      if (isProviderError(unseen)) return undefined;
      throw unseen;
    });
    if (task === undefined) throw error;
    return task;
  }
}

export async function findGuestTask(
  taskType: string,
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<string | undefined> {
  const type = context.kind.taskPrefix + taskType;
  const tasks = await context.tasks.active(place.node, type, String(place.vmid), call);
  return tasks[0]?.upid;
}

/**
 * Acts, and lets the guest's state have the last word: a failure counts only if the goal is not reached,
 * because a lost reply, a task that died at its end, or somebody else's equal request may all have led there.
 */
export async function reach(
  goal: () => Promise<boolean>,
  act: () => Promise<unknown>,
  call: ProviderCall,
): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!isProviderError(error)) throw error;
    const reached = await goal().catch(() => false);
    call.signal.throwIfAborted();
    if (!reached) throw error;
  }
}
