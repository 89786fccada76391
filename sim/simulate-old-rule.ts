/**
 * The same session under the rule that cmux has today: on Morph an hour of wall clock, then a pause, whatever goes
 * on; any request wakes a paused instance and gives it another hour; at 21:00 UTC all that were created more than
 * 20 h ago are paused. Containers run until the 21:00 at which their last resume is more than three days ago.
 * cmux starts no virtual machines yet; they are taken to be treated like Morph's.
 */
import type { Session } from './session.ts';
import { stretchAt } from './session.ts';
import type { Interval } from './simulate-idle.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SWEEP_OF_DAY_MS = 21 * HOUR_MS;
const TTL_MS = HOUR_MS;
const MORPH_AGE_MS = 20 * HOUR_MS;
const CONTAINER_AGE_MS = 3 * DAY_MS;

export interface OldRuleResult {
  readonly running: readonly Interval[];
  /** Pauses that met a sandbox at work. */
  readonly interruptions: number;
}

export function simulateOldRule(session: Session): OldRuleResult {
  const isContainer = session.provider === 'pve-lxc';
  const running: Interval[] = [];
  let interruptions = 0;
  let runningSinceMs: number | undefined = 0;
  let nextSweepMs = (SWEEP_OF_DAY_MS - session.startOfDayMs + DAY_MS) % DAY_MS;

  function pause(atMs: number): void {
    if (runningSinceMs === undefined) return;
    running.push({ fromMs: runningSinceMs, toMs: atMs });
    runningSinceMs = undefined;
    if (stretchAt(session, atMs).truth === 'working') interruptions += 1;
  }

  /** Everything that its clocks do to it before an instant, in order. */
  function passTime(untilMs: number): void {
    for (;;) {
      const ttlAtMs: number =
        isContainer || runningSinceMs === undefined ? Number.POSITIVE_INFINITY : runningSinceMs + TTL_MS;
      const atMs = Math.min(ttlAtMs, nextSweepMs);
      if (atMs >= untilMs) return;
      if (atMs === nextSweepMs) {
        nextSweepMs += DAY_MS;
        const agedMs = isContainer ? atMs - (runningSinceMs ?? atMs) : atMs;
        if (agedMs > (isContainer ? CONTAINER_AGE_MS : MORPH_AGE_MS)) pause(atMs);
      } else pause(atMs);
    }
  }

  for (const { type, atMs } of session.signals) {
    // A hold or a release is bookkeeping of ours; what it stands for came with a request.
    const isRequest = type === 'touch' || (type === 'poll' && !isContainer);
    if (!isRequest) continue;
    passTime(atMs);
    runningSinceMs ??= atMs;
  }
  passTime(session.lengthMs);
  if (runningSinceMs !== undefined) running.push({ fromMs: runningSinceMs, toMs: session.lengthMs });
  return { running, interruptions };
}
