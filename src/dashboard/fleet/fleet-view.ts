/** What the fleet page shows, as plain data: five answers and their age. */
import type { Automation } from '../../core/automation.ts';
import type { BreakerState } from '../../core/breaker.ts';
import type { CapacityReport } from '../../core/capacity-report.ts';
import type { EpisodeCounts } from '../../core/idle-episode.ts';
import type { IdleOutlook } from '../../core/idle-outlook.ts';
import type { IdleMode } from '../../core/idle-policy.ts';
import type { ProviderName } from '../../core/provider-name.ts';
import type { SandboxState } from '../../core/sandbox.ts';
import type { SweepView } from '../../core/sweep.ts';
import type { QueueCounts, SandboxView } from '../../core/views.ts';

export interface FleetView {
  readonly deployment: string;
  readonly simulated: boolean;
  /** When it was read; ages on the page count from here. Unix time, ms. */
  readonly atMs: number;
  readonly needs: readonly Need[];
  readonly sandboxes: SandboxTable;
  readonly fallbacks: { readonly shown: readonly Fallback[]; readonly total: number };
  readonly providers: readonly ProviderCard[];
  readonly waiting: { readonly shown: readonly WaitingOperation[]; readonly more: boolean };
  readonly sweeps: readonly SweepView[];
  /** For those who see the whole fleet. */
  readonly automation?: AutomationCard;
  readonly idle: IdleCard;
}

export interface IdleCard {
  /** The soonest first. */
  readonly next: readonly (Pick<IdleOutlook, 'summary' | 'heldBy'> & {
    readonly sandboxId: string;
    readonly provider: ProviderName;
    readonly suspendAtMs: number;
    readonly isShadow: boolean;
  })[];
  readonly more: number;
  /** For those who see the whole fleet; absent until the sweep has run once. */
  readonly worth?: {
    readonly mode: IdleMode;
    readonly configured: IdleMode;
    /** Why `enforce` is held back. */
    readonly heldBack?: string;
    readonly gateCounts: EpisodeCounts;
    readonly today: Readonly<Record<'shadow' | 'enforce', EpisodeCounts>>;
    readonly week: Readonly<Record<'shadow' | 'enforce', EpisodeCounts>>;
  };
}

/** What happens without anybody asking. */
export interface AutomationCard extends Pick<Automation, 'mode' | 'reason' | 'destruction'> {
  /** Sandboxes that have yet to be asked for while `observing`. */
  readonly unobserved: number;
  /** The longest known first, and not all of many. */
  readonly unowned: readonly {
    readonly id: string;
    readonly provider: ProviderName;
    readonly providerId?: string;
    readonly cause: string;
  }[];
}

/** Something that goes on only when a person does something. */
export interface Need {
  readonly kind: 'alert' | 'stuck' | 'failed' | 'provider' | 'unowned' | 'webhook';
  readonly title: string;
  /** Why, in one sentence. */
  readonly detail: string;
  /** What to do: a sentence, or the exact command. */
  readonly remediation?: string;
  readonly sandboxId?: string;
  readonly sinceMs: number;
}

export interface SandboxTable {
  readonly rows: readonly SandboxView[];
  /** How many there are in each state, whatever the filter. */
  readonly counts: Readonly<Partial<Record<SandboxState, number>>>;
  readonly total: number;
  /** Only the newest were read; the API lists the rest. */
  readonly truncated: boolean;
  readonly filter: FleetFilter;
  readonly pages: number;
}

export interface FleetFilter {
  readonly state?: SandboxState;
  /** From 1. */
  readonly page: number;
}

/** A sandbox that is not where sandboxes are meant to be, with what kept each provider before from it. */
export interface Fallback {
  readonly sandboxId: string;
  readonly provider: ProviderName;
  readonly sinceMs: number;
  readonly reasons: readonly {
    readonly provider: ProviderName;
    /** The attempt's number; absent when the provider was left out without one. */
    readonly attempt?: number;
    readonly message: string;
    readonly remediation?: string;
  }[];
}

export interface ProviderCard {
  readonly name: ProviderName;
  /** Providers of one domain share their machines, and so their capacity. */
  readonly failureDomain: string;
  readonly simulated: boolean;
  readonly healthy: boolean;
  readonly detail: string;
  readonly breaker: BreakerState;
  readonly breakerReason?: string;
  readonly breakerRetryAtMs?: number;
  readonly overCapacity?: string;
  readonly publishedAtMs: number;
  readonly capacity?: CapacityReport;
  readonly queue: QueueCounts;
}

export interface WaitingOperation {
  readonly id: string;
  readonly kind: string;
  readonly sandboxId: string;
  readonly state: string;
  readonly provider?: ProviderName;
  readonly createdAtMs: number;
}
