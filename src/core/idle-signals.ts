/** What watches a sandbox from inside and outside, and whether it is heard. */
import { type Activity, areAgentsAtWork, type Heartbeat, showsWork } from './activity.ts';
import type { ProviderName } from './provider-name.ts';

export interface WatchedSignal {
  readonly source: 'heartbeat' | 'counters';
  /** When it was last heard; absent: it should have been and never was. */
  readonly atMs?: number;
  /** Silent for too long: what it would say is unknown. */
  readonly missing: boolean;
  /** It shows work now. */
  readonly busy: boolean;
  /** What it said, for people. */
  readonly detail: string;
}

/** Three reports of a source that reports each minute, and a network's delays. */
export const SIGNAL_MISSING_AFTER_MS = 200_000;
/** A processor that waits makes noise; a build makes load. */
const BUSY_CPU_SHARE = 0.1;
/** An agent that reads or writes is above this; an open tab that polls stays below. */
const BUSY_BYTES_PER_SECOND = 20_000;

/** Whose counters cost nothing to read; to ask Morph for more than a state may wake an instance. */
const HAS_COUNTERS: Readonly<Record<ProviderName, boolean>> = {
  'pve-vm': true,
  'pve-lxc': true,
  morph: false,
};

/** Only sources that this sandbox has: one whose guest never sent a heartbeat does not miss it. */
export function watchedSignals(
  activity: Activity,
  provider: ProviderName,
  nowMs: number,
): readonly WatchedSignal[] {
  const signals: WatchedSignal[] = [];
  const { heartbeat, workSeenAtMs } = activity;
  if (heartbeat) signals.push(heartbeatSignal(heartbeat, workSeenAtMs, nowMs));
  if (HAS_COUNTERS[provider] || activity.counters) signals.push(countersSignal(activity.counters, nowMs));
  return signals;
}

/**
 * Whether idleness can be told at all: every source is heard, and of a sandbox that has none somebody once said
 * something.
 */
export function isObservable(activity: Activity, signals: readonly WatchedSignal[]): boolean {
  const isSilent = signals.length === 0 && activity.lastActivity === undefined && activity.holds.length === 0;
  return !isSilent && signals.every(({ missing }) => !missing);
}

function heartbeatSignal(
  heartbeat: Heartbeat,
  workSeenAtMs: number | undefined,
  nowMs: number,
): WatchedSignal {
  const { atMs, loadPerCpu, openConnections } = heartbeat;
  const missing = isOld(atMs, nowMs);
  return {
    source: 'heartbeat',
    atMs,
    missing,
    busy: !missing && showsWork(heartbeat),
    detail:
      `${describeAgents(heartbeat, workSeenAtMs)}, load ${loadPerCpu.toFixed(2)} per processor, ` +
      `${openConnections} open connections`,
  };
}

/** "2 agents open, none at work since 2026-01-10T14:03Z (0.4 % of a processor, 12 bytes/s)". */
function describeAgents(heartbeat: Heartbeat, workSeenAtMs: number | undefined): string {
  const { agentProcesses, agentWork } = heartbeat;
  if (agentProcesses === 0) return 'no agent open';
  const open = `${agentProcesses} ${agentProcesses === 1 ? 'agent' : 'agents'} open`;
  if (agentWork === undefined) return `${open}, what they do was not measured`;
  const { cpuShare, bytesPerSecond } = agentWork;
  const measured = `(${(cpuShare * 100).toFixed(1)} % of a processor, ${Math.round(bytesPerSecond)} bytes/s)`;
  if (areAgentsAtWork(heartbeat)) return `${open}, at work ${measured}`;
  const since =
    workSeenAtMs === undefined ? '' : ` since ${new Date(workSeenAtMs).toISOString().slice(0, 16)}Z`;
  return `${open}, none at work${since} ${measured}`;
}

function countersSignal(counters: Activity['counters'], nowMs: number): WatchedSignal {
  if (counters === undefined) {
    return { source: 'counters', missing: true, busy: false, detail: 'not read yet' };
  }
  const { latest, before } = counters;
  const missing = isOld(latest.atMs, nowMs);
  const seconds = before ? (latest.atMs - before.atMs) / 1_000 : 0;
  // They begin at zero when the guest is booted.
  const bytes = before ? Math.max(0, latest.networkBytes - before.networkBytes) : 0;
  const rate = seconds > 0 ? bytes / seconds : 0;
  return {
    source: 'counters',
    atMs: latest.atMs,
    missing,
    busy: !missing && (latest.cpuShare >= BUSY_CPU_SHARE || rate >= BUSY_BYTES_PER_SECOND),
    detail: `${Math.round(latest.cpuShare * 100)} % of its processors, ${Math.round(rate)} bytes/s`,
  };
}

function isOld(atMs: number, nowMs: number): boolean {
  return nowMs - atMs > SIGNAL_MISSING_AFTER_MS;
}
