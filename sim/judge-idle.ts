/** What a policy did to a session, held against what really happened in it. */
import { type Session, type Stretch, stretchAt } from './session.ts';
import type { Interval, SimulatedSession } from './simulate-idle.ts';

/** Idleness counts as decided in time up to this after its threshold. */
export const IN_TIME_MS = 2 * 60_000;

export interface Judgement {
  /** Suspended at work although something vouched for it. */
  readonly wrong: number;
  /** Suspended at work that nothing told of. */
  readonly silent: number;
  /** Idleness that lasted long enough to be decided, and how much of it was decided in time. */
  readonly due: number;
  readonly inTime: number;
  readonly runningMs: number;
}

/** @param afterMs the threshold for this session when all its signals are there, by the policy */
export function judgeIdle(session: Session, result: SimulatedSession, afterMs: number): Judgement {
  let wrong = 0;
  let silent = 0;
  for (const { atMs } of result.suspensions) {
    const { truth, vouchedBy } = stretchAt(session, atMs);
    if (truth === 'idle') continue;
    if (vouchedBy === 'nobody') silent += 1;
    else wrong += 1;
  }
  let due = 0;
  let inTime = 0;
  for (const stretch of session.stretches) {
    const thresholdMs = observableFromMs(session, stretch) + afterMs;
    if (stretch.truth === 'working' || thresholdMs + IN_TIME_MS > stretch.toMs) continue;
    if (!runsAt(result.running, stretch.fromMs)) continue;
    due += 1;
    if (result.suspensions.some(({ atMs }) => Math.abs(atMs - thresholdMs) <= IN_TIME_MS)) {
      inTime += 1;
    }
  }
  return { wrong, silent, due, inTime, runningMs: totalMs(result.running) };
}

export function totalMs(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
}

/** From when it can be known: a hold that a crashed agent left behind vouches until it ends by itself. */
function observableFromMs({ signals }: Session, { fromMs, toMs }: Stretch): number {
  const endMs = new Map<string, number>();
  for (const signal of signals) {
    if (signal.atMs >= toMs) break;
    if (signal.type === 'hold') endMs.set(signal.owner, signal.untilMs);
    if (signal.type === 'release') endMs.delete(signal.owner);
  }
  return Math.max(fromMs, ...endMs.values());
}

function runsAt(running: readonly Interval[], atMs: number): boolean {
  return running.some(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs);
}
