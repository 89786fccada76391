/** One session under the real decision, on simulated time: when it ran, when it was suspended, and why. */
import type { IdlePolicy } from '../src/core/idle-policy.ts';
import { decideIdleness, type IdleRuleName, type IdleWatch } from '../src/core/idleness.ts';
import { createInbox } from './inbox.ts';
import type { Random } from './random.ts';
import type { Session } from './session.ts';

/** The sweep's schedule, and how much later than its tick a run may get to a sandbox. */
const TICK_MS = 15_000;
const RUN_DELAY_MS = 3_000;
/** Between "suspend" and the guest standing still. */
const SUSPEND_TAKES_MS = 10_000;

export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Suspension {
  readonly atMs: number;
  readonly rule: IdleRuleName;
  /** The threshold that counted. */
  readonly afterMs: number;
}

export interface SimulatedSession {
  readonly running: readonly Interval[];
  readonly suspensions: readonly Suspension[];
}

/**
 * A suspended sandbox is resumed by the request that begins the next work. While it is suspended neither its timer
 * nor its counters say anything.
 */
export function simulateIdle(session: Session, policy: IdlePolicy, random: Random): SimulatedSession {
  const running: Interval[] = [];
  const suspensions: Suspension[] = [];
  const inbox = createInbox();
  inbox.resumed(0);
  const phaseMs = random.between(0, TICK_MS - 1);
  let runningSinceMs: number | undefined = 0;
  let watch: IdleWatch | undefined;
  let lookAtMs = nextTick(0);

  function nextTick(fromMs: number): number {
    const ticks = Math.ceil((fromMs - phaseMs) / TICK_MS);
    return phaseMs + Math.max(0, ticks) * TICK_MS + random.between(0, RUN_DELAY_MS);
  }

  function look(nowMs: number): void {
    if (runningSinceMs === undefined) return;
    const { provider, workloadType } = session;
    const verdict = decideIdleness({
      subject: {
        provider,
        workloadType,
        isRunning: true,
        protection: 'none',
        requiresRamSnapshot: false,
      },
      activity: inbox.activity(nowMs),
      ...(watch ? { watch } : {}),
      policy,
      nowMs,
    });
    watch = verdict.watch;
    lookAtMs = nextTick(verdict.lookAgainAtMs);
    if (verdict.verdict !== 'suspend' || verdict.threshold.afterMs === 'never') return;
    suspensions.push({ atMs: nowMs, rule: verdict.rule, afterMs: verdict.threshold.afterMs });
    running.push({ fromMs: runningSinceMs, toMs: Math.min(nowMs + SUSPEND_TAKES_MS, session.lengthMs) });
    runningSinceMs = undefined;
    watch = undefined;
  }

  for (const signal of session.signals) {
    while (runningSinceMs !== undefined && lookAtMs <= signal.atMs) look(lookAtMs);
    const fromInside = signal.type === 'heartbeat' || signal.type === 'counters';
    if (runningSinceMs === undefined && fromInside) continue;
    if (runningSinceMs === undefined && (signal.type === 'touch' || signal.type === 'hold')) {
      runningSinceMs = signal.atMs;
      lookAtMs = nextTick(signal.atMs);
      inbox.resumed(signal.atMs);
    }
    inbox.receive(signal);
  }
  while (runningSinceMs !== undefined && lookAtMs <= session.lengthMs) look(lookAtMs);
  if (runningSinceMs !== undefined) running.push({ fromMs: runningSinceMs, toMs: session.lengthMs });
  return { running, suspensions };
}
