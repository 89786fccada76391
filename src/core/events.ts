import type { AlertName } from './alert.ts';
import type { FailureKind } from './failure.ts';
import type { OperationKind, OperationState } from './operation.ts';
import type { ProviderName } from './provider-name.ts';
import type { SandboxState } from './sandbox.ts';

/** Everything the event log, the logs and the metrics speak of. Names are noun.verb. */
export interface LifecycleEvents {
  'operation.requested': {
    readonly sandboxId: string;
    readonly operationId: string;
    readonly kind: OperationKind;
    /** Who asked: the name of a token, a client or a sweep. */
    readonly by: string;
    /** An equal operation was under way already, and this request became part of it. */
    readonly joined: boolean;
  };
  'sandbox.adjusted': {
    readonly sandboxId: string;
    readonly by: string;
    /** What was set, as text: "ttlSeconds=3600". */
    readonly change: string;
  };
  /** Log and history add the sandbox's `sequence`, which only Redis knows. */
  'sandbox.changed': {
    readonly sandboxId: string;
    readonly operationId: string;
    readonly from: SandboxState | '';
    readonly to: SandboxState;
  };
  'attempt.failed': {
    readonly sandboxId: string;
    readonly operationId: string;
    readonly attempt: number;
    readonly provider: ProviderName;
    readonly outcome: 'failed' | 'interrupted';
    readonly kind: FailureKind;
    readonly message: string;
    /** "attempt 2 on morph"; empty when the operation settled with it. */
    readonly followedBy: string;
  };
  'operation.settled': {
    readonly sandboxId: string;
    readonly operationId: string;
    readonly kind: OperationKind;
    readonly state: OperationState;
    /** Where its last attempt was; empty when it never had one. */
    readonly provider: ProviderName | '';
    readonly lastAttempt: 'succeeded' | 'failed' | 'superseded' | '';
    /** From the request to now. */
    readonly durationMs: number;
  };
  'guest.condemned': {
    readonly sandboxId: string;
    readonly operationId: string;
    readonly guestId: string;
    readonly provider: ProviderName;
  };
  /** Starts are sent elsewhere. */
  'breaker.opened': {
    readonly failureDomain: string;
    readonly reason: string;
    /** When the provider is asked next. */
    readonly retryAtMs: number;
  };
  'breaker.closed': { readonly failureDomain: string };
  /** What reconciliation did about a guest, with the evidence. */
  'guest.reconciled': {
    readonly sandboxId: string;
    readonly guestId: string;
    readonly provider: ProviderName;
    readonly act: ReconcileAct;
    readonly receipt: string;
  };
  /** An automatic decision with its receipt, once when it is made; in mode `shadow` nothing was done. */
  'sandbox.judged': {
    readonly sandboxId: string;
    /** The sweep that decided. */
    readonly by: string;
    readonly action: 'pause' | 'destroy';
    readonly mode: 'shadow' | 'enforce';
    readonly rule: string;
    readonly reason: string;
    /** What was observed, line by line. */
    readonly evidence: string;
  };
  'alert.raised': AlertEvent;
  'alert.cleared': AlertEvent;
}

/** `adopted`, `restored`, `unowned` and `forgotten` changed the guest's record; the others led to an operation or an alert. */
export type ReconcileAct =
  | 'adopted'
  | 'restored'
  | 'unowned'
  | 'forgotten'
  | 'inspected'
  | 'suspected'
  | 'drifted';

interface AlertEvent {
  readonly name: AlertName;
  /** What it is about. */
  readonly subject: string;
  readonly message: string;
}

export type LifecycleEventName = keyof LifecycleEvents;

/** Alerts come with more than an event: the store's `alerts` write both. */
export type EmittedEventName = Exclude<LifecycleEventName, `alert.${string}`>;

/** One line of a sandbox's history: what happened, with the facts of the event. */
export interface HistoryEntry {
  readonly type: string;
  readonly atMs: number;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}
