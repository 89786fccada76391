import { DEFAULT_IDLE_POLICY, idleThreshold } from '../src/core/idle-policy.ts';
import { OPEN_AGENT_MS } from '../src/core/idleness.ts';
import { generateSessions } from './generate-sessions.ts';
import { judgeIdle, totalMs } from './judge-idle.ts';
import { createRandom } from './random.ts';
import type { Session } from './session.ts';
import { simulateIdle } from './simulate-idle.ts';
import { simulateOldRule } from './simulate-old-rule.ts';

export interface IdleFigures {
  readonly seed: number;
  readonly sessions: number;
  /** Suspended at work although a signal or a hold vouched for it. */
  readonly wrongSuspensions: number;
  /** Sessions in which work gave no sign at all, and suspensions that met such work. */
  readonly silentSessions: number;
  readonly silentWorkersSuspended: number;
  /** Idleness that outlasted its threshold by two minutes, and the share decided by then. */
  readonly idleStretches: number;
  readonly decidedInTimeShare: number;
  readonly suspensions: number;
  readonly runningHours: number;
  readonly workingHours: number;
  readonly runningHoursOldRule: number;
  /** Pauses of the old rule that met a sandbox at work. */
  readonly interruptedByOldRule: number;
}

/** The default policy and the old rule over the same sessions. The same seed gives the same figures. */
export function runIdleSimulation(seed: number, count: number): IdleFigures {
  // Dice of its own: how the sweep's ticks fall must not change which sessions there are.
  const random = createRandom(seed ^ 0x5bd1e995);
  let [wrong, silent, silentSessions, due, inTime, suspensions, interrupted] = [0, 0, 0, 0, 0, 0, 0];
  let [runningMs, workingMs, oldMs] = [0, 0, 0];
  for (const session of generateSessions(seed, count)) {
    const result = simulateIdle(session, DEFAULT_IDLE_POLICY, random);
    const judged = judgeIdle(session, result, limitMs(session));
    const old = simulateOldRule(session);
    wrong += judged.wrong;
    silent += judged.silent;
    due += judged.due;
    inTime += judged.inTime;
    runningMs += judged.runningMs;
    suspensions += result.suspensions.length;
    interrupted += old.interruptions;
    oldMs += totalMs(old.running);
    workingMs += totalMs(session.stretches.filter(({ truth }) => truth === 'working'));
    if (session.kind === 'silent-worker') silentSessions += 1;
  }
  return {
    seed,
    sessions: count,
    wrongSuspensions: wrong,
    silentSessions,
    silentWorkersSuspended: silent,
    idleStretches: due,
    decidedInTimeShare: due === 0 ? 1 : Math.round((inTime / due) * 10_000) / 10_000,
    suspensions,
    runningHours: hours(runningMs),
    workingHours: hours(workingMs),
    runningHoursOldRule: hours(oldMs),
    interruptedByOldRule: interrupted,
  };
}

/** By the tables of the policy, and no less than what it gives to an agent that is open. */
function limitMs(session: Session): number {
  const { afterMs } = idleThreshold(DEFAULT_IDLE_POLICY, session);
  if (afterMs === 'never') return Number.POSITIVE_INFINITY;
  return session.kind === 'agent-at-prompt' ? Math.max(afterMs, OPEN_AGENT_MS) : afterMs;
}

const hours = (ms: number) => Math.round(ms / 360_000) / 10;
