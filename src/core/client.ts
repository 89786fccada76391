/** The one client interface; every transport fills it and behaves alike. */
import type { OperationView, SandboxView } from './views.ts';

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

export interface ListOptions {
  /** Ended sandboxes (destroyed, failed, lost) are listed apart. Default false. */
  readonly ended?: boolean;
  /** 1 to 200, default 50. */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface SandboxList {
  /** Newest first. */
  readonly sandboxes: readonly SandboxView[];
  readonly cursor?: string;
}

/**
 * Every method throws `LifecycleError`; switch on its `code`. The methods that change something wait until
 * the operation settled and throw `wait_timed_out`, with `operationId` and `sandboxId`, when it has not.
 */
export interface LifecycleClient<StartInput> {
  /** Resolves once the sandbox runs and its service ports answer. */
  start(input: StartInput, options?: RequestOptions): Promise<SandboxView>;
  /** Suspends with memory. Where the provider cannot, refused unless `requiresRamSnapshot` is false. */
  pause(
    sandboxId: string,
    options?: RequestOptions & { readonly requiresRamSnapshot?: boolean },
  ): Promise<SandboxView>;
  /** `onLostMemory` decides what happens when promised memory is gone; default `fail`. */
  resume(
    sandboxId: string,
    options?: RequestOptions & { readonly onLostMemory?: 'fail' | 'cold-boot' },
  ): Promise<SandboxView & { readonly memoryKept: boolean }>;
  /** Means the same on every provider. A sandbox that has ended already: succeeds. */
  destroy(sandboxId: string, options?: RequestOptions): Promise<SandboxView>;
  /** By our id or the provider's. Does not ask the provider and wakes nothing. */
  get(sandboxId: string): Promise<SandboxView>;
  list(options?: ListOptions): Promise<SandboxList>;
  operation(operationId: string): Promise<OperationView>;
  close(): Promise<void>;
}
