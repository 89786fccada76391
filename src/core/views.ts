/** What callers see of sandboxes and operations: the same shape from every transport. */
import type { HistoryEntry } from './events.ts';
import type { IdleOutlook } from './idle-outlook.ts';
import type { Attempt, Operation, OperationFailure, OperationKind, OperationState } from './operation.ts';
import type { ProviderName } from './provider-name.ts';
import type { GuestClock, Reconnect } from './reconnect.ts';
import type { ProviderStatus } from './route.ts';
import { expiresAtMs, isEnded, type Sandbox, type SandboxState } from './sandbox.ts';
import type { WorkloadType } from './start-request.ts';

export interface SandboxView {
  readonly id: string;
  readonly state: SandboxState;
  /** Where it really is, which may not be where it was asked for. */
  readonly provider?: ProviderName;
  readonly guestId?: string;
  /** The provider's own id. */
  readonly providerId?: string;
  readonly vmid?: number;
  readonly hostname?: string;
  /** URL by name: `vscode`, `worker`, `proxy`, `vnc`, `cdp`. Empty once it has ended: they lead nowhere then. */
  readonly endpoints: Readonly<Record<string, string>>;
  readonly fellBackFrom: readonly ProviderName[];
  /** While paused: whether memory is kept. */
  readonly preservesRam?: boolean;
  /** After a resume: what to do now. */
  readonly reconnect?: readonly Reconnect[];
  /** What only a person at the provider can do, while stuck. */
  readonly remediation?: string;
  /** The operation, or what was found at the provider, that brought it into this state. */
  readonly cause: string;
  /** True when a simulator answers in the provider's place. */
  readonly simulated: boolean;
  readonly preset?: string;
  readonly workloadType?: WorkloadType;
  readonly teamId?: string;
  readonly userId?: string;
  readonly taskRunId?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly protected: boolean;
  readonly idleTimeoutSeconds?: number;
  readonly ttlSeconds?: number;
  readonly onExpiry: 'pause' | 'destroy';
  /** When its time to live is over. Unix time, ms, as all times here. */
  readonly expiresAtMs?: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export function viewSandbox(sandbox: Sandbox): SandboxView {
  const { placement, request } = sandbox;
  const endpoints = isEnded(sandbox.state) ? [] : (placement?.endpoints ?? []);
  return withoutUndefined({
    id: sandbox.id,
    state: sandbox.state,
    provider: placement?.provider,
    guestId: placement?.guestId,
    providerId: placement?.nativeId,
    vmid: placement?.vmid,
    hostname: placement?.hostname,
    endpoints: Object.fromEntries(endpoints.map(({ name, url }) => [name, url])),
    fellBackFrom: sandbox.fellBackFrom ?? [],
    preservesRam: sandbox.preservesRam,
    reconnect: sandbox.reconnect,
    remediation: sandbox.remediation,
    cause: sandbox.cause,
    simulated: placement?.simulated ?? false,
    preset: request.preset,
    workloadType: request.workloadType,
    teamId: request.teamId,
    userId: request.userId,
    taskRunId: request.taskRunId,
    metadata: request.metadata,
    protected: request.protected,
    idleTimeoutSeconds: request.idleTimeoutSeconds,
    ttlSeconds: request.ttlSeconds,
    onExpiry: request.onExpiry,
    expiresAtMs: expiresAtMs(sandbox),
    createdAtMs: sandbox.createdAtMs,
    updatedAtMs: sandbox.updatedAtMs,
  }) as SandboxView;
}

export interface OperationView {
  readonly id: string;
  readonly kind: OperationKind;
  readonly sandboxId: string;
  readonly state: OperationState;
  /** Every try in order: provider, outcome, failure, what followed. */
  readonly attempts: readonly Attempt[];
  /** Providers that were left out of the route, each with its reason. */
  readonly leftOut: readonly { readonly provider: ProviderName; readonly reason: string }[];
  readonly failure?: OperationFailure;
  readonly memoryKept?: boolean;
  readonly clock?: GuestClock;
  /** Who asked for it: the name of a token, a client or a sweep. */
  readonly requestedBy?: string;
  readonly createdAtMs: number;
  readonly settledAtMs?: number;
}

export function viewOperation(operation: Operation): OperationView {
  return withoutUndefined({
    id: operation.id,
    kind: operation.kind,
    sandboxId: operation.sandboxId,
    state: operation.state,
    attempts: operation.attempts,
    leftOut: operation.route.leftOut,
    failure: operation.failure,
    memoryKept: operation.memoryKept,
    clock: operation.clock,
    requestedBy: operation.requestedBy,
    createdAtMs: operation.createdAtMs,
    settledAtMs: operation.settledAtMs,
  }) as OperationView;
}

/** Why a sandbox is in its state: who or what moved it, and what was tried. */
export interface WhyView {
  readonly sandbox: SandboxView;
  /** One sentence for a person. */
  readonly summary: string;
  /** The operation behind the state, and every one that has not settled, in the order they run. */
  readonly operations: readonly OperationView[];
  /** Newest first: what was asked, every change of state, every failed attempt. The last hundred. */
  readonly history: readonly HistoryEntry[];
  /** Its idleness as a look just now would judge it; absent while it has no guest or no worker published a policy. */
  readonly idle?: IdleOutlook;
}

/** Ids as they were given. */
export interface TouchResult {
  readonly noted: readonly string[];
  /** There is none by that id, or it has ended. */
  readonly unknown: readonly string[];
}

export interface ProviderView extends ProviderStatus {
  /** How old this status is. Workers publish every 15 s. */
  readonly ageMs: number;
  /** Attempts in its queue. */
  readonly queue: QueueCounts;
}

export interface QueueCounts {
  /** Ready to run, but every worker is busy or none is there. */
  readonly waiting: number;
  readonly active: number;
  /** To run later: after a back-off, or while something is waited for. */
  readonly delayed: number;
  /** Kept for the board; their operations have gone on. */
  readonly failed: number;
}

function withoutUndefined(fields: Readonly<Record<string, unknown>>): unknown {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
