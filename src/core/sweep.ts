/** What is known of a sweep besides its code: when it runs, what it last did, whether it is paused. */

/** A cron pattern has five fields, or six with seconds, and is read in the deployment's time zone. */
export type SweepSchedule =
  | { readonly everyMs: number }
  | { readonly cron: string; readonly timeZone: string };

/** How many, by what was done with them. `due` and `looked` say how much there was; zero counts are quiet. */
export type SweepCounts = Readonly<Record<string, number>>;

export interface SweepRun {
  readonly runId: string;
  readonly startedAtMs: number;
  readonly tookMs: number;
  /** Who asked for it; absent: its schedule. */
  readonly by?: string;
  /** It decided and counted, and did nothing. */
  readonly dryRun: boolean;
  readonly counts: SweepCounts;
  /** Why it stopped half way. */
  readonly error?: string;
}

export interface SweepPause {
  readonly by: string;
  readonly sinceMs: number;
}

export interface SweepView {
  readonly name: string;
  readonly description: string;
  readonly schedule: SweepSchedule;
  /** False where a pause would break what the system promises. */
  readonly mayPause: boolean;
  /** While paused it runs only when asked to. */
  readonly paused?: SweepPause;
  /** Absent when no schedule is there, which means that no process runs it. */
  readonly nextAtMs?: number;
  /** Whatever it was. */
  readonly lastRun?: SweepRun;
  /** Newest first: runs that did something, failed, or were asked for. */
  readonly runs: readonly SweepRun[];
}

export const SWEEP_ACTIONS = ['run', 'dry-run', 'pause', 'resume'] as const;
export type SweepAction = (typeof SWEEP_ACTIONS)[number];

/** Counts that say how much was there, not what was done. */
const QUIET: ReadonlySet<string> = new Set(['due', 'looked', 'backlog', 'unreadable']);

/** Whether people want to see a run in the list: most runs of most sweeps find nothing to do. */
export function isNoteworthy({ by, counts, error }: Pick<SweepRun, 'by' | 'counts' | 'error'>): boolean {
  return by !== undefined || error !== undefined || didSomething(counts);
}

export function didSomething(counts: SweepCounts): boolean {
  return Object.entries(counts).some(([name, count]) => count > 0 && !QUIET.has(name));
}
