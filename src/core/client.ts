/** The one client interface; every transport fills it and behaves alike. */
import type { ActivityHold } from './activity.ts';
import type { BudgetsView } from './budget.ts';
import type { CostOptions, CostsView } from './costs.ts';
import type { OperationState } from './operation.ts';
import type { ProviderName } from './provider-name.ts';
import type { SandboxState } from './sandbox.ts';
import type { SavingsOptions, SavingsView } from './savings.ts';
import type { StartInput } from './start-request.ts';
import type { OperationView, ProviderView, SandboxView, TouchResult, WhyView } from './views.ts';

export interface WaitOptions {
  /** How long to wait; the operation goes on after. Default 90 s, below the 100 s at which tunnels cut. */
  readonly timeoutMs?: number;
  /** Stops the waiting, not the operation. */
  readonly signal?: AbortSignal;
}

export interface RequestOptions extends WaitOptions {
  /** Two requests with one key are one, for 7 days. Made up when absent. */
  readonly idempotencyKey?: string;
}

/** For whatever changes a sandbox that exists. */
export interface ChangeOptions {
  /** Two requests with one key are one, for 7 days. */
  readonly idempotencyKey?: string;
  /** Refused as `not_found` when the sandbox belongs to another team. */
  readonly expectTeamId?: string;
  readonly signal?: AbortSignal;
}

export interface ListOptions {
  /** Default: every state of a sandbox that has not ended. */
  readonly state?: SandboxState | readonly SandboxState[];
  /** Short for the states destroyed, failed and lost. Default false. */
  readonly ended?: boolean;
  readonly teamId?: string;
  readonly userId?: string;
  readonly taskRunId?: string;
  /** Where it is now, whatever was asked for. */
  readonly provider?: ProviderName;
  /** Every entry must be there with this value. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** 1 to 200, default 50. */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface SandboxList {
  /** Newest first. With filters a page may hold fewer than `limit`, even none, and still have a next one. */
  readonly sandboxes: readonly SandboxView[];
  /** Pass it to get the next page; absent on the last one. */
  readonly cursor?: string;
}

export interface OperationListOptions {
  readonly state?: OperationState | readonly OperationState[];
  /** 1 to 200, default 50. */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface OperationList {
  /** Newest first; settled ones are kept for 7 days. */
  readonly operations: readonly OperationView[];
  readonly cursor?: string;
}

/**
 * Every method throws `LifecycleError`; switch on its `code`. The methods that change something wait until
 * the operation settled and throw `wait_timed_out`, with `operationId` and `sandboxId`, when it has not.
 */
export interface LifecycleClient<Input = StartInput> {
  /** Resolves once the sandbox runs and its service ports answer. */
  start(input: Input, options?: RequestOptions): Promise<SandboxView>;
  /** Suspends with memory. Where the provider cannot, refused unless `requiresRamSnapshot` is false. */
  pause(
    sandboxId: string,
    options?: RequestOptions & ChangeOptions & { readonly requiresRamSnapshot?: boolean },
  ): Promise<SandboxView>;
  /** `onLostMemory` decides what happens when promised memory is gone; default `fail`. */
  resume(
    sandboxId: string,
    options?: RequestOptions & ChangeOptions & { readonly onLostMemory?: 'fail' | 'cold-boot' },
  ): Promise<SandboxView & { readonly memoryKept: boolean }>;
  /** Means the same on every provider. A sandbox that has ended already: succeeds. */
  destroy(sandboxId: string, options?: RequestOptions & ChangeOptions): Promise<SandboxView>;
  /** Time to live from now on; `null` takes it away. Without `onExpiry` what happens then stays as it is. */
  setTtl(
    sandboxId: string,
    ttlSeconds: number | null,
    options?: ChangeOptions & { readonly onExpiry?: 'pause' | 'destroy' },
  ): Promise<SandboxView>;
  /**
   * Somebody uses these now. Call it as often as you like: it is written at most once per sandbox, second and
   * process, and wakes nothing. Unawaited it is fire and forget; it rejects only when the service is away.
   */
  touch(sandboxIds: string | readonly string[]): Promise<TouchResult>;
  /**
   * Keeps it from being paused for being idle until `release`, or for `seconds` (cut to MAX_HOLD_SECONDS). The same
   * owner again renews. Wakes nothing.
   */
  hold(
    sandboxId: string,
    hold: { readonly owner: string; readonly reason: string; readonly seconds: number },
  ): Promise<ActivityHold>;
  release(sandboxId: string, owner: string): Promise<void>;
  /** Protected sandboxes are left alone by everything automatic. */
  setProtection(sandboxId: string, isProtected: boolean, options?: ChangeOptions): Promise<SandboxView>;
  /**
   * By our id or the provider's. Does not ask the provider, unless `refresh`; wakes nothing either way. A
   * refresh takes its turn behind what is under way and answers within ten seconds with what it has.
   */
  get(sandboxId: string, options?: { readonly refresh?: boolean }): Promise<SandboxView>;
  list(options?: ListOptions): Promise<SandboxList>;
  /** Who or what brought a sandbox into its state. */
  why(sandboxId: string): Promise<WhyView>;
  /** As it is now; with `timeoutMs`, once it settled or that time is over. */
  operation(operationId: string, options?: WaitOptions): Promise<OperationView>;
  operations(options?: OperationListOptions): Promise<OperationList>;
  /** What the workers last published about each provider. */
  providers(): Promise<readonly ProviderView[]>;
  /** What sandboxes cost; default: this month so far, by provider. */
  costs(options?: CostOptions): Promise<CostsView>;
  /** What sandboxes cost, and would have cost under other policies; default: this month so far. */
  savings(options?: SavingsOptions): Promise<SavingsView>;
  /** What may be spent this month, and what is. */
  budgets(): Promise<BudgetsView>;
  close(): Promise<void>;
}
