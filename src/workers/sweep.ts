/** The one form of a sweep: read a bounded batch → plan → submit operations → return counts. */
import type { BilledBound } from '../core/billed.ts';
import type { FallbackBound } from '../core/fallback-share.ts';
import type { IdlePolicy } from '../core/idle-policy.ts';
import type { SweepCounts } from '../core/sweep.ts';
import type { Provider } from '../providers/provider.ts';
import type { EndDeps } from './end-attempt.ts';

/** What sweeps are given. A sweep names the parts it needs. */
export interface SweepDeps extends EndDeps {
  /** The deployment's name, as markers carry it. */
  readonly deployment: string;
  /** Those that this process is configured for. Sweeps only read from them. */
  readonly providers: readonly Provider[];
  readonly fallbackBound?: FallbackBound;
  readonly billedBound?: BilledBound;
  /** Where the ledger is kept for ever; absent: in Redis alone. */
  readonly ledgerDir?: string;
  readonly idlePolicy: IdlePolicy;
}

export interface SweepRunOptions {
  /** Decide and count, change nothing: neither a record nor when something is looked at again. */
  readonly dryRun: boolean;
  /** Aborts when this run lost its place, so that another may have begun. Check it between batches. */
  readonly signal: AbortSignal;
}

export interface Sweep {
  /** One sentence, for people. */
  readonly description: string;
  /** Cron patterns are read in the deployment's time zone (`SWEEP_TIME_ZONE`). */
  readonly schedule: { readonly everyMs: number } | { readonly cron: string };
  /** A scheduled run begins up to this much later, so that deployments which share a provider do not all ask at once. */
  readonly jitterMs?: number;
  /** False where a pause would break what the system promises. Default true. */
  readonly mayPause?: boolean;
  /**
   * Ticks in every process by itself instead of once for the fleet. For a sweep whose passes may overlap and that
   * has to go on whoever dies: a run whose worker died holds the only place in its queue until its lock has ended
   * and a check has seen it, and so does the next one that dies.
   */
  readonly inEachProcess?: boolean;
  /** It takes something away because its time has come: not by the clock of a host that Redis's does not bear out. */
  readonly goesByTheClock?: boolean;
  run(deps: SweepDeps, options: SweepRunOptions): Promise<SweepCounts>;
}
