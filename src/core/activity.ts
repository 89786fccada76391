/**
 * What is known of a sandbox's use. Data for the decision whether it is idle, and for its receipt.
 *
 * *Activity* is what somebody did on purpose: a touch, a hold, a change, a heartbeat that shows work, becoming
 * running. Each raises the sandbox's activity sequence in the write that acknowledges it, and background
 * decisions are pinned to that sequence. Reading (GET, lists, events, a refresh) is no activity.
 */

/** "Leave it awake until then, whatever you see." */
export interface ActivityHold {
  /** Who holds, such as a task run; one hold per owner. */
  readonly owner: string;
  /** For people: "agent turn running". */
  readonly reason: string;
  readonly sinceMs: number;
  /** It ends by itself then. */
  readonly untilMs: number;
}

/** What the guest says of itself, stamped when it arrived: a guest's own clock is not trusted. */
export interface Heartbeat {
  readonly atMs: number;
  /** Processes that the template's configuration calls agents, at work or open at their prompt. */
  readonly agentProcesses: number;
  /** Absent: not measured, as in a guest's first heartbeat and in those of older templates. */
  readonly agentWork?: AgentWork;
  /** Load of the last minute per processor: 1 is all of them busy. */
  readonly loadPerCpu: number;
  /** Established connections on the service ports; an open tab is one. */
  readonly openConnections: number;
}

/** What the busiest agent did since the heartbeat before, together with all that it started. */
export interface AgentWork {
  /** Of one processor; above 1 when it uses several. */
  readonly cpuShare: number;
  /** Read and written, to terminals and files too. */
  readonly bytesPerSecond: number;
}

/** What the provider counts from outside, at no cost. */
export interface ProviderCounters {
  readonly atMs: number;
  /** Share of the processors it has, 0 to 1. */
  readonly cpuShare: number;
  /** In and out since it was booted, bytes. */
  readonly networkBytes: number;
}

export interface Activity {
  /** Raised by every acknowledged activity; 0 before the first. */
  readonly sequence: number;
  /** Since when it runs: idleness is never counted from before. Absent while it does not run. */
  readonly runningSinceMs?: number;
  /** The last thing that somebody did, and what that was: "touch", "hold by run-17", "ttl by ops". */
  readonly lastActivity?: { readonly atMs: number; readonly what: string };
  /** Those that have not ended, the longest first. */
  readonly holds: readonly ActivityHold[];
  readonly heartbeat?: Heartbeat;
  /** When a heartbeat last showed work. */
  readonly workSeenAtMs?: number;
  /** The newest, and the one before it, at least ten seconds apart, so that rates can be told. */
  readonly counters?: { readonly latest: ProviderCounters; readonly before?: ProviderCounters };
}

/** All processors together do next to nothing below this; a build or a test run is far above. */
const BUSY_LOAD_PER_CPU = 0.2;

/** An agent at its prompt sleeps, but for timers of its runtime: at most 1 % of a processor. */
const BUSY_AGENT_CPU_SHARE = 0.02;
/**
 * While an agent waits for its model its terminal says so: a clock that counts the seconds is a hundred bytes each,
 * a wheel that turns many times that. At its prompt it draws nothing, and wakes now and then for a few bytes. Low,
 * for work that is taken for idleness costs more than the reverse.
 */
const BUSY_AGENT_BYTES_PER_SECOND = 50;

/**
 * Whether a heartbeat vouches for work going on. An agent that does something does, even when it only waits for its
 * model; one left open at its prompt does not, nor does an open connection: a tab that somebody left open.
 */
export function showsWork(heartbeat: Omit<Heartbeat, 'atMs'>): boolean {
  return heartbeat.loadPerCpu >= BUSY_LOAD_PER_CPU || areAgentsAtWork(heartbeat);
}

/** What an agent does where nobody measured it may be work. */
export function areAgentsAtWork({
  agentProcesses,
  agentWork,
}: Pick<Heartbeat, 'agentProcesses' | 'agentWork'>): boolean {
  if (agentProcesses === 0 || agentWork === undefined) return agentProcesses > 0;
  const { cpuShare, bytesPerSecond } = agentWork;
  return cpuShare >= BUSY_AGENT_CPU_SHARE || bytesPerSecond >= BUSY_AGENT_BYTES_PER_SECOND;
}

/** When its use was last vouched for; idleness counts from here. A stamp from the future counts as now. */
export function lastUsedAtMs(activity: Activity, nowMs: number): number | undefined {
  const { runningSinceMs, lastActivity, holds, workSeenAtMs } = activity;
  const stamps = [runningSinceMs, lastActivity?.atMs, workSeenAtMs, holds.length > 0 ? nowMs : undefined];
  const known = stamps.filter((stamp) => stamp !== undefined);
  return known.length === 0 ? undefined : Math.min(nowMs, Math.max(...known));
}

/** A hold lasts at most `maxHoldMs` from now, however long it was asked for. */
export function holdUntil(askedMs: number, nowMs: number, maxHoldMs: number): number {
  return nowMs + Math.min(askedMs, maxHoldMs);
}
