/** What was observed of a sandbox, line by line, as the receipt of a decision keeps it. */
import type { Activity } from './activity.ts';
import type { WatchedSignal } from './idle-signals.ts';

export const OBSERVED = ['running', 'activity', 'hold', 'work', 'heartbeat', 'counters'] as const;

export interface Observed {
  readonly what: (typeof OBSERVED)[number];
  /** When it was received here; absent: never. */
  readonly atMs?: number;
  readonly detail: string;
}

/** Newest first; what was never heard comes last. */
export function observed(
  { runningSinceMs, lastActivity, holds, workSeenAtMs }: Activity,
  signals: readonly WatchedSignal[],
  nowMs: number,
): readonly Observed[] {
  const lines: Observed[] = [
    ...holds.map(({ owner, reason, sinceMs, untilMs }) => ({
      what: 'hold' as const,
      atMs: sinceMs,
      detail: `${owner}: ${reason}, for ${Math.ceil((untilMs - nowMs) / 60_000)} min more at most`,
    })),
    ...signals.map(({ source, atMs, missing, detail }) => ({
      what: source,
      ...(atMs === undefined ? {} : { atMs }),
      detail: missing && atMs !== undefined ? `silent since then; it said ${detail}` : detail,
    })),
  ];
  if (lastActivity) lines.push({ what: 'activity', atMs: lastActivity.atMs, detail: lastActivity.what });
  if (workSeenAtMs !== undefined) {
    lines.push({ what: 'work', atMs: workSeenAtMs, detail: 'a heartbeat showed work' });
  }
  if (runningSinceMs !== undefined) {
    lines.push({ what: 'running', atMs: runningSinceMs, detail: 'it began to run' });
  }
  return lines.sort((a, b) => (b.atMs ?? 0) - (a.atMs ?? 0));
}
