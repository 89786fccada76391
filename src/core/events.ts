import type { FailureKind } from './failure.ts';
import type { OperationKind, OperationState } from './operation.ts';
import type { ProviderName } from './provider-name.ts';
import type { SandboxState } from './sandbox.ts';

/** Everything the event log, the logs and the metrics speak of. Names are noun.verb. */
export interface LifecycleEvents {
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
    readonly kind: FailureKind;
    readonly message: string;
    readonly followedBy: string;
  };
  'operation.settled': {
    readonly sandboxId: string;
    readonly operationId: string;
    readonly kind: OperationKind;
    readonly state: OperationState;
  };
  'guest.condemned': {
    readonly sandboxId: string;
    readonly operationId: string;
    readonly guestId: string;
    readonly provider: ProviderName;
  };
}

export type LifecycleEventName = keyof LifecycleEvents;
