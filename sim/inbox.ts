/** What the control plane would have on record of a session's signals so far: the store's part, in memory. */
import { type Activity, type ActivityHold, showsWork } from '../src/core/activity.ts';
import type { Signal } from './session.ts';

export interface Inbox {
  receive(signal: Signal): void;
  /** It runs from now on, for the first time or again. */
  resumed(atMs: number): void;
  activity(nowMs: number): Activity;
}

export function createInbox(): Inbox {
  let sequence = 0;
  let kept: Omit<Activity, 'sequence' | 'holds'> = {};
  let networkBytes = 0;
  const holds = new Map<string, ActivityHold>();

  function acted(atMs: number, what: string): void {
    sequence += 1;
    kept = { ...kept, lastActivity: { atMs, what } };
  }

  function receive(signal: Signal): void {
    const { atMs } = signal;
    switch (signal.type) {
      case 'touch':
        acted(atMs, 'touch');
        return;
      case 'hold': {
        const { owner, untilMs } = signal;
        holds.set(owner, { owner, reason: 'agent turn running', sinceMs: atMs, untilMs });
        acted(atMs, `hold by ${owner}`);
        return;
      }
      case 'release':
        holds.delete(signal.owner);
        acted(atMs, `release by ${signal.owner}`);
        return;
      case 'heartbeat': {
        const { agents: agentProcesses, agentWork, load: loadPerCpu, connections: openConnections } = signal;
        const measured = agentWork === undefined ? {} : { agentWork };
        const heartbeat = { atMs, agentProcesses, loadPerCpu, openConnections, ...measured };
        kept = { ...kept, heartbeat };
        if (!showsWork(heartbeat)) return;
        sequence += 1;
        kept = { ...kept, workSeenAtMs: atMs };
        return;
      }
      case 'counters': {
        const before = kept.counters?.latest;
        const seconds = before ? (atMs - before.atMs) / 1_000 : 0;
        networkBytes += signal.networkBytesPerSecond * seconds;
        const latest = { atMs, cpuShare: signal.cpuShare, networkBytes };
        kept = { ...kept, counters: { latest, ...(before ? { before } : {}) } };
        return;
      }
      case 'poll':
        return;
    }
  }

  return {
    receive,
    resumed(atMs) {
      sequence += 1;
      const { counters: _old, ...rest } = kept;
      kept = { ...rest, runningSinceMs: atMs };
    },
    activity(nowMs) {
      for (const [owner, { untilMs }] of holds) {
        if (untilMs > nowMs) continue;
        holds.delete(owner);
        const endedLast = untilMs > (kept.lastActivity?.atMs ?? 0);
        if (endedLast)
          kept = { ...kept, lastActivity: { atMs: untilMs, what: `the end of the hold by ${owner}` } };
      }
      return { ...kept, sequence, holds: [...holds.values()] };
    },
  };
}
