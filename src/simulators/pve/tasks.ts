import type { FaultSource, TaskFault, TaskPhase } from '../fault-plan.ts';
import type { Timers } from '../timers.ts';
import { formatUpid, type Upid } from './upid.ts';

/** A finished or running task as the API shows it. */
export interface TaskRecord extends Upid {
  readonly upid: string;
  readonly startedAtMs: number;
  readonly log: readonly string[];
  /** Null while it runs. */
  readonly end: { readonly exitstatus: string; readonly atMs: number } | null;
}

/** What a task's body is given. */
export interface Worker {
  readonly log: (line: string) => void;
  /** The task ends as `WARNINGS: n`, which is a success. */
  readonly warn: (line: string) => void;
  /** Lets simulated time pass, then applies a fault planned for this phase. Rejects when interrupted. */
  readonly spend: (ms: number, phase?: TaskPhase) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface Tasks {
  /** Answers the UPID at once; the body begins `forkMs` later. */
  readonly fork: (task: ForkedTask, body: (worker: Worker) => Promise<void>) => string;
  readonly find: (upid: string) => TaskRecord | undefined;
  /** Newest first. */
  readonly list: (node: string) => readonly TaskRecord[];
  /** SIGTERM; resolves when the task has ended. */
  readonly interrupt: (upid: string) => Promise<void>;
  readonly snapshot: () => readonly TaskRecord[];
}

export interface ForkedTask {
  readonly node: string;
  readonly type: string;
  readonly id: string;
  readonly user: string;
}

export interface TasksDeps {
  readonly faults: FaultSource;
  readonly timers: Timers;
  readonly nowMs: () => number;
  readonly nextPid: () => number;
  readonly onChange: () => void;
}

/** The worker was SIGKILLed: its body must not clean up. */
export class TaskKilled extends Error {}

/** Proxmox keeps about 1,000 to 2,000 per node; fewer here keep the data file small. */
const MAX_FINISHED_TASKS = 1000;

/** Exit status of a worker that wrote no last line (killed, or its node rebooted). */
const UNEXPECTED_STATUS = 'unexpected status';

export function createTasks(
  deps: TasksDeps,
  options: { readonly forkMs: number; readonly restored: readonly TaskRecord[] },
): Tasks {
  const records = new Map<string, TaskRecord>();
  const running = new Map<string, { readonly abort: AbortController; readonly ended: Promise<void> }>();
  for (const record of options.restored) {
    // A worker of the process before us: dead, its effect unknown, its lock word still in place.
    const end = record.end ?? { exitstatus: UNEXPECTED_STATUS, atMs: deps.nowMs() };
    records.set(record.upid, { ...record, end });
  }

  const change = (upid: string, patch: Partial<TaskRecord>): void => {
    const record = records.get(upid);
    if (record !== undefined) records.set(upid, { ...record, ...patch });
    deps.onChange();
  };

  const forgetOldest = (): void => {
    let surplus = records.size - running.size - MAX_FINISHED_TASKS;
    for (const [upid, record] of records) {
      if (surplus <= 0) return;
      if (record.end === null) continue;
      records.delete(upid);
      surplus -= 1;
    }
  };

  const run = async (upid: string, record: TaskRecord, body: TaskBody, signal: AbortSignal) => {
    const fault = deps.faults.forTask(record.type, record.id);
    const worker = createWorker(deps, fault, signal, (line) =>
      change(upid, { log: [...(records.get(upid)?.log ?? []), line] }),
    );
    const exitstatus = await exitStatusOf(async () => {
      await deps.timers.sleep(options.forkMs, signal);
      await worker.spend(0, 'begin');
      await body(worker);
    }, worker.warnings);
    running.delete(upid);
    if (exitstatus !== UNEXPECTED_STATUS) worker.log(lastLogLine(exitstatus));
    change(upid, { end: { exitstatus, atMs: deps.nowMs() } });
    forgetOldest();
  };

  return {
    fork: (task, body) => {
      const startedAtMs = deps.nowMs();
      const pid = deps.nextPid();
      const parts: Upid = {
        ...task,
        pid,
        pstart: pid * 7 + 0x1000000,
        starttime: Math.floor(startedAtMs / 1000),
      };
      const upid = formatUpid(parts);
      const record: TaskRecord = { ...parts, upid, startedAtMs, log: [], end: null };
      records.set(upid, record);
      deps.onChange();
      const abort = new AbortController();
      running.set(upid, { abort, ended: run(upid, record, body, abort.signal) });
      return upid;
    },
    find: (upid) => records.get(upid),
    list: (node) => [...records.values()].filter((record) => record.node === node).reverse(),
    interrupt: async (upid) => {
      const task = running.get(upid);
      task?.abort.abort(new Error('received interrupt'));
      await task?.ended;
    },
    snapshot: () => [...records.values()],
  };
}

/** `abort_guest_tasks`: what `overrule-shutdown` does to shutdowns under way. */
export async function abortGuestTasks(
  tasks: Tasks,
  { node, type, id }: { readonly node: string; readonly type: string; readonly id: string },
): Promise<void> {
  const running = tasks
    .list(node)
    .filter((task) => task.type === type && task.id === id && task.end === null);
  await Promise.all(running.map((task) => tasks.interrupt(task.upid)));
}

type TaskBody = (worker: Worker) => Promise<void>;

function createWorker(
  deps: TasksDeps,
  fault: TaskFault | undefined,
  signal: AbortSignal,
  log: (line: string) => void,
): Worker & { readonly warnings: () => number } {
  let warnings = 0;
  return {
    signal,
    log,
    warnings: () => warnings,
    warn: (line) => {
      warnings += 1;
      log(`WARN: ${line}`);
    },
    spend: async (ms, phase) => {
      await deps.timers.sleep(ms, signal);
      if (fault?.kind === 'slow-task' && phase === 'end') await deps.timers.sleep(fault.ms, signal);
      if (fault === undefined || fault.kind === 'slow-task' || phase !== (fault.at ?? 'end')) return;
      throw fault.kind === 'kill-task' ? new TaskKilled() : new Error(fault.exitstatus);
    },
  };
}

async function exitStatusOf(body: () => Promise<void>, warnings: () => number): Promise<string> {
  try {
    await body();
    return warnings() === 0 ? 'OK' : `WARNINGS: ${warnings()}`;
  } catch (error) {
    if (error instanceof TaskKilled) return UNEXPECTED_STATUS;
    const message = error instanceof Error ? error.message : String(error);
    return message.trim().replaceAll('\n', ' ');
  }
}

function lastLogLine(exitstatus: string): string {
  if (exitstatus === 'OK') return 'TASK OK';
  return exitstatus.startsWith('WARNINGS: ') ? `TASK ${exitstatus}` : `TASK ERROR: ${exitstatus}`;
}
