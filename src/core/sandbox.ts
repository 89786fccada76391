import type { Endpoint } from './guest.ts';
import type { OperationKind } from './operation.ts';
import type { ProviderName } from './provider-name.ts';
import type { Reconnect } from './reconnect.ts';
import type { SandboxState } from './sandbox-state.ts';
import type { StartRequest } from './start-request.ts';

export { SANDBOX_STATES, type SandboxState } from './sandbox-state.ts';

/** Where its guest is and how to reach it; there only once a guest was usable. */
export interface SandboxPlacement {
  readonly provider: ProviderName;
  readonly guestId: string;
  /** The provider's own id: the VMID as text on Proxmox, the instance id on Morph. */
  readonly nativeId: string;
  readonly vmid?: number;
  readonly node?: string;
  readonly hostname: string;
  readonly endpoints: readonly Endpoint[];
  /** True when a simulator answers in the provider's place. */
  readonly simulated: boolean;
}

export interface Sandbox {
  readonly id: string;
  readonly state: SandboxState;
  /** Raised by every change; background decisions are pinned to it. */
  readonly version: number;
  /** Raised by every claim; writes of an older one are refused. */
  readonly epoch: number;
  readonly request: StartRequest;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** From when `request.ttlSeconds` counts, when it was set after the start. */
  readonly ttlFromMs?: number;
  /** Why it is in this state: the operation, or what was found at the provider. */
  readonly cause: string;
  readonly placement?: SandboxPlacement;
  /** The provider that was to hold it and could not. */
  readonly fellBackFrom?: readonly ProviderName[];
  /** Whether the paused state holds memory; there only while paused. */
  readonly preservesRam?: boolean;
  /** What to do after the resume that brought it into this state. */
  readonly reconnect?: readonly Reconnect[];
  /** When a rebuild restored it from its marker; until an operator confirms, nothing automatic destroys it. */
  readonly restoredAtMs?: number;
  /** What only a person can do, with the exact command; there only while stuck. */
  readonly remediation?: string;
}

const STATE_DURING: Readonly<Partial<Record<OperationKind, SandboxState>>> = {
  start: 'starting',
  pause: 'pausing',
  resume: 'resuming',
  destroy: 'destroying',
};

/** The state a sandbox shows while an operation of this kind is carried out, if it shows any. */
export function stateDuring(kind: OperationKind): SandboxState | undefined {
  return STATE_DURING[kind];
}

const ENDED: ReadonlySet<SandboxState> = new Set(['destroyed', 'failed', 'lost']);

/** Ended sandboxes hold nothing at a provider and accept no operation but a destroy, which changes nothing. */
export function isEnded(state: SandboxState): boolean {
  return ENDED.has(state);
}

/** When its time to live is over, if it has one. */
export function expiresAtMs({ request, ttlFromMs, createdAtMs }: Sandbox): number | undefined {
  return request.ttlSeconds === undefined
    ? undefined
    : (ttlFromMs ?? createdAtMs) + request.ttlSeconds * 1_000;
}
