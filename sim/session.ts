/**
 * A labelled session: what really happened in one sandbox, and what could be seen of it from outside. It knows
 * nothing of any policy, so that a policy can be measured against it. Times are ms from the session's start.
 */
export const SESSION_KINDS = [
  'working-with-holds',
  'working-with-touches',
  'thinking',
  'long-build',
  'open-tab',
  'abandoned',
  'flapping',
  'clock-skew',
  'missing-signals',
  'agent-at-prompt',
  'silent-worker',
] as const;
export type SessionKind = (typeof SESSION_KINDS)[number];

export interface Session {
  readonly id: string;
  readonly kind: SessionKind;
  readonly provider: 'pve-vm' | 'pve-lxc' | 'morph';
  readonly workloadType: 'dev' | 'prod' | 'ephemeral' | 'quick-task' | 'long-running';
  /** When it began, ms of the day in UTC: rules by the clock need it. */
  readonly startOfDayMs: number;
  /** When its owner deletes it. */
  readonly lengthMs: number;
  /** Without gaps, from 0 to `lengthMs`. */
  readonly stretches: readonly Stretch[];
  /** As they reach the control plane, in order. */
  readonly signals: readonly Signal[];
}

/** The truth. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  readonly truth: 'working' | 'idle';
  /** What tells of the work while it lasts; `nobody`: a silent worker, which no rule can know of. */
  readonly vouchedBy: 'hold' | 'touch' | 'guest' | 'nobody';
}

export type Signal =
  /** Somebody did something; also the request that begins every stretch of work. */
  | { readonly type: 'touch'; readonly atMs: number }
  /** "An agent's turn runs", until then; the same owner's next one replaces it. */
  | { readonly type: 'hold'; readonly atMs: number; readonly owner: string; readonly untilMs: number }
  | { readonly type: 'release'; readonly atMs: number; readonly owner: string }
  /** The guest's timer; `guestClockMs` is what its own clock says, which may be wrong by hours. */
  | {
      readonly type: 'heartbeat';
      readonly atMs: number;
      readonly guestClockMs: number;
      readonly load: number;
      /** Agent processes, at work or open at their prompt. */
      readonly agents: number;
      /** What the busiest of them did since the last one: share of a processor, and bytes read and written. */
      readonly agentWork?: { readonly cpuShare: number; readonly bytesPerSecond: number };
      readonly connections: number;
    }
  /** The provider's own counters since the last reading; Proxmox has them, Morph has not. */
  | {
      readonly type: 'counters';
      readonly atMs: number;
      /** Of all its processors, 0 to 1. */
      readonly cpuShare: number;
      readonly networkBytesPerSecond: number;
    }
  /** A passive read: an open tab that polls. Proves nothing, and wakes what wakes on requests. */
  | { readonly type: 'poll'; readonly atMs: number };

/** The stretch at an instant; the last one from the end on. */
export function stretchAt({ stretches }: Session, atMs: number): Stretch {
  const found = stretches.find(({ toMs }) => atMs < toMs) ?? stretches.at(-1);
  if (found === undefined) throw new Error('a session has at least one stretch');
  return found;
}
