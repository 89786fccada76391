/**
 * Tasks: what a changing request leaves running at Proxmox, known by its UPID.
 *
 * A task is asked on the node inside its UPID. `WARNINGS: n` is success. `unexpected status` (its worker was
 * killed, or its node went down) says nothing about how far it came. A clone's `id` is the *source* VMID, so
 * the new VMID does not find it (facts §2).
 */
import type { ProviderName } from '../../core/provider-name.ts';
import type { ProviderCall } from '../provider.ts';
import { isProviderError, ProviderError, withEffect } from '../provider-error.ts';
import { backOffMs, pollUntil } from '../wait.ts';
import type { PveApi } from './pve-api.ts';
import { failedTask, isRefusal } from './pve-errors.ts';
import { type TaskRow, taskLogSchema, taskRowsSchema, taskStatusSchema } from './pve-schemas.ts';

export interface PveTasks {
  /**
   * Returns when the task has ended well.
   * @throws PveError when it ended otherwise, ProviderError `timed_out` when it outlives its bound, and with
   * `effect: 'unknown'` whatever kept us from seeing its end.
   */
  wait(upid: string, call: ProviderCall): Promise<void>;
  /** Tasks of a type (on one guest, given its id) that run now, as far as our token sees them: its own, or all with Sys.Audit. */
  active(node: string, type: string, id: string | undefined, call: ProviderCall): Promise<readonly TaskRow[]>;
  isRunning(upid: string, call: ProviderCall): Promise<boolean>;
  /** What a task has logged so far, its first lines. */
  firstLogLines(upid: string, call: ProviderCall): Promise<readonly string[]>;
}

/**
 * How long a task of a type may run before we stop waiting for it. Ending a wait ends no task. Starts: a resume
 * may take Proxmox 300 s and more (facts §4). Suspends write the memory.
 */
const TASK_TIMEOUT_MS: Readonly<Record<string, number>> = {
  start: 10 * 60_000,
  resume: 10 * 60_000,
  suspend: 15 * 60_000,
};
const OTHER_TASK_TIMEOUT_MS = 10 * 60_000;

/** Reads that may fail in a row while waiting, for a node that restarts its daemons meanwhile. */
const FAILED_READS_TOLERATED = 4;

/** The weight of the newest duration: a change of load shows after a few tasks. */
const NEWEST_WEIGHT = 0.3;
/** Below this part of the usual duration there is little hope, and we look seldom. */
const NEAR_THE_END = 0.8;
/** Even then at least this often, for tasks that fail early. */
const LONGEST_SPARSE_DELAY_MS = 5_000;

export function createPveTasks(
  api: PveApi,
  options: { readonly provider: ProviderName; readonly cloneTimeoutMs: number },
): PveTasks {
  /** Usual duration by task type, learned in this process only: it merely paces polling. */
  const usualMs = new Map<string, number>();

  /** A task is asked on its own node; another would not know it. */
  function taskPath(upid: string, what: 'status' | 'log'): string {
    return `/nodes/${parseUpid(upid, options.provider).node}/tasks/${encodeURIComponent(upid)}/${what}`;
  }

  async function wait(upid: string, call: ProviderCall): Promise<void> {
    const { type } = parseUpid(upid, options.provider);
    const work = type.replace(/^(qm|vz)/, '');
    const isClone = work === 'clone';
    const timeoutMs = isClone ? options.cloneTimeoutMs : (TASK_TIMEOUT_MS[work] ?? OTHER_TASK_TIMEOUT_MS);
    const path = taskPath(upid, 'status');
    let failedReads = 0;
    const outcome = await pollUntil(
      async (elapsedMs) => {
        try {
          const task = await api.read(path, taskStatusSchema, call);
          failedReads = 0;
          if (task.status !== 'stopped') return undefined;
          usualMs.set(type, learnDuration(usualMs.get(type), elapsedMs));
          return task.exitstatus ?? 'unexpected status';
        } catch (error) {
          if (isRefusal(error, 'no_such_task')) return 'unexpected status: the task is no longer known';
          failedReads += 1;
          if (!isTransient(error) || failedReads > FAILED_READS_TOLERATED) throw stillAtWork(error);
          return undefined;
        }
      },
      {
        signal: call.signal,
        timeoutMs,
        delayMs: (elapsedMs) => nextPollDelayMs(elapsedMs, usualMs.get(type)),
      },
    );
    if (outcome === undefined) throw outlived(upid, timeoutMs, isClone, options.provider);
    if (!isSuccess(outcome)) throw failedTask({ provider: options.provider, upid, exitStatus: outcome });
  }

  return {
    wait,
    async active(node, type, id, call) {
      const query = { source: 'active', typefilter: type, limit: ACTIVE_TASK_LIMIT };
      const rows = await api.read(`/nodes/${node}/tasks`, taskRowsSchema, call, query);
      return rows.filter((row) => row.type === type && (id === undefined || row.id === id) && isRunning(row));
    },
    async isRunning(upid, call) {
      try {
        return (await api.read(taskPath(upid, 'status'), taskStatusSchema, call)).status !== 'stopped';
      } catch (error) {
        if (isRefusal(error, 'no_such_task')) return false;
        throw error;
      }
    },
    async firstLogLines(upid, call) {
      const path = taskPath(upid, 'log');
      const lines = await api.read(path, taskLogSchema, call, { limit: FIRST_LOG_LINES });
      return lines.map((line) => line.t);
    },
  };
}

function outlived(upid: string, timeoutMs: number, isClone: boolean, provider: ProviderName): ProviderError {
  return new ProviderError({
    kind: isClone ? 'still_creating' : 'timed_out',
    effect: 'unknown',
    message: `task ${upid} still runs after ${timeoutMs / 1000} s`,
    remediation: 'Look at the task in the Proxmox task list; the storage may be slow or hang.',
    provider,
  });
}

/** More tasks of one type than a node can have at work; Proxmox's own default of 50 could hide some. */
const ACTIVE_TASK_LIMIT = 500;
/** The line that names the new VMID is the first of a clone's log (facts §9). */
const FIRST_LOG_LINES = 5;

/** A listed task may have ended since: then it has an end, or a status other than `RUNNING`. */
function isRunning(row: TaskRow): boolean {
  return row.endtime === undefined && (row.status === undefined || row.status === 'RUNNING');
}

/** `WARNINGS: n` is how 9.x says that it succeeded and left something to read in the log. */
export function isSuccess(exitStatus: string): boolean {
  return exitStatus === 'OK' || exitStatus.startsWith('WARNINGS:');
}

/**
 * A tenth of the time spent, as every wait, but seldom while the task cannot well be done: then the next
 * look is when its usual end comes near.
 */
export function nextPollDelayMs(elapsedMs: number, usualMs: number | undefined): number {
  const remainingMs = usualMs === undefined ? 0 : usualMs * NEAR_THE_END - elapsedMs;
  return Math.max(backOffMs(elapsedMs), Math.min(remainingMs, LONGEST_SPARSE_DELAY_MS));
}

export function learnDuration(usualMs: number | undefined, newestMs: number): number {
  return usualMs === undefined ? newestMs : usualMs * (1 - NEWEST_WEIGHT) + newestMs * NEWEST_WEIGHT;
}

/** `UPID:node:pid:pstart:starttime:type:id:user:` (facts §2). */
export function parseUpid(
  upid: string,
  provider: ProviderName,
): { readonly node: string; readonly type: string } {
  const [, node, , , , type] = upid.split(':');
  if (node && type) return { node, type };
  throw new ProviderError({
    kind: 'provider_error',
    effect: 'unknown',
    message: `${upid.slice(0, 100)} is not the id of a Proxmox task`,
    provider,
  });
}

/** When a task began, by the node's clock; in whole seconds, so up to one too early. Unix time, ms. */
export function taskBeganAtMs(upid: string): number | undefined {
  const [, , , , starttime = ''] = upid.split(':');
  return /^[0-9A-F]{8}$/i.test(starttime) ? Number.parseInt(starttime, 16) * 1_000 : undefined;
}

/** The read failed, the task goes on: what it does is not undone by our not seeing it. */
function stillAtWork(error: unknown): unknown {
  return isProviderError(error) ? withEffect(error, 'unknown') : error;
}

function isTransient(error: unknown): boolean {
  if (!isProviderError(error)) return false;
  return ['unreachable', 'timed_out', 'provider_error', 'rate_limited'].includes(error.report.kind);
}
