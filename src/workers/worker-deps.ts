import type { Endpoint } from '../core/guest.ts';
import type { NextStepLimits } from '../core/next-step.ts';
import type { Permits } from '../core/ports.ts';
import type { Logger } from '../platform/log.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { Provider } from '../providers/provider.ts';
import type { Queues } from '../queues/queues.ts';
import type { Submitter } from '../queues/submit-operation.ts';
import type { LeaseTiming } from '../store/claims.ts';
import type { Store } from '../store/store.ts';
import type { StepObserver } from './attempt-session.ts';
import type { LocalShare } from './local-share.ts';
import type { SuccessTeller } from './success-teller.ts';

export interface WorkerTiming extends NextStepLimits {
  readonly lease: LeaseTiming;
  /** How long a booted guest may take until its service ports answer. */
  readonly usableTimeoutMs: number;
}

/** Resolves once every endpoint answers; rejects with a `ProviderError` of kind `never_usable`. */
export type WaitUntilUsable = (
  endpoints: readonly Endpoint[],
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
) => Promise<void>;

export interface WorkerDeps {
  readonly store: Store;
  readonly queues: Queues;
  readonly submitter: Submitter;
  readonly provider: Provider;
  readonly waitUntilUsable: WaitUntilUsable;
  readonly deployment: { readonly name: string; readonly installId: string };
  readonly timing: WorkerTiming;
  readonly permits: Permits;
  /** Starts, pauses and discards at once on this provider, all workers together. */
  readonly slots: number;
  readonly localShare: LocalShare;
  readonly successes: SuccessTeller;
  readonly log: Logger;
  /** Absent: secrets of sandboxes are kept in the guest's own configuration alone. */
  readonly secretBox?: SecretBox;
  readonly nowMs: () => number;
  /** This process, for whoever wonders who holds a claim: host and process id. */
  readonly workerName: string;
  readonly onStep?: StepObserver;
}
