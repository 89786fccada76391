import type { FailureReport } from './failure.ts';
import type { ProviderName } from './provider-name.ts';
import type { GuestClock } from './reconnect.ts';
import type { Reservation } from './reservation.ts';
import type { SandboxState } from './sandbox-state.ts';

export const OPERATION_KINDS = [
  'start',
  'pause',
  'resume',
  'destroy',
  'inspect',
  'configure',
  'discard',
] as const;

/**
 * `start`, `pause`, `resume` and `destroy` are what callers ask for a sandbox, and `inspect` what a refresh
 * asks; it changes nothing at the provider. `configure` is internal: it renews the provider's own TTL and sets
 * what may wake a guest. `discard` is internal: it removes one condemned guest, whatever its sandbox does
 * meanwhile, and is claimed on the guest.
 */
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** Asked by nobody who uses the sandbox: it stands in nobody's way, and leaves the sandbox as it is. */
export function isHousekeeping(kind: OperationKind): boolean {
  return kind === 'inspect' || kind === 'configure';
}

export const OPERATION_STATES = ['queued', 'begun', 'succeeded', 'failed', 'superseded'] as const;

/** `queued` until its first claim, `begun` until it settles, exactly once, as one of the other three. */
export type OperationState = (typeof OPERATION_STATES)[number];

export interface PauseOptions {
  /** Refuse the pause when memory would be lost (the default). */
  readonly requiresRamSnapshot: boolean;
}

export interface ResumeOptions {
  /** What to do when memory that was promised is gone: `cold-boot` starts the same disk. */
  readonly onLostMemory: 'fail' | 'cold-boot';
}

/** Options by kind; equal requests (kind and options) join. */
export type OperationOptions = PauseOptions | ResumeOptions | Record<string, never>;

export interface LeftOut {
  readonly provider: ProviderName;
  readonly reason: string;
}

export interface Route {
  readonly candidates: readonly ProviderName[];
  /** Every provider that was considered and dropped or moved, each with its reason. */
  readonly leftOut: readonly LeftOut[];
  /** What it would have begun with, had that been well and had room. Absent: it does. */
  readonly passedOver?: ProviderName;
}

export type AttemptOutcome = 'open' | 'succeeded' | 'failed' | 'interrupted' | 'superseded';

export type HoldReason = 'permit' | 'guest';

/** One try on one provider = one BullMQ job. */
export interface Attempt {
  readonly number: number;
  readonly provider: ProviderName;
  readonly outcome: AttemptOutcome;
  readonly openedAtMs: number;
  readonly claimedAtMs?: number;
  readonly endedAtMs?: number;
  readonly failure?: FailureReport;
  /** The guest this attempt creates or continues; an attempt that follows on the same provider inherits it. */
  readonly guestId?: string;
  /** Since when it holds, and what for: a permit or memory that others have, or a guest that may exist. */
  readonly holdSinceMs?: number;
  readonly holdFor?: HoldReason;
  /** What followed, for people: "attempt 2 on morph". */
  readonly followedBy?: string;
}

export interface OperationFailure {
  readonly code: OperationErrorCode;
  readonly message: string;
  readonly remediation?: string;
  readonly retryable: boolean;
  /** The failure of each provider tried, in order. */
  readonly causes: readonly FailureReport[];
}

export type OperationErrorCode =
  | 'no_provider_available'
  | 'provider_failed'
  | 'memory_lost'
  | 'ram_snapshot_unsupported'
  | 'sandbox_stuck'
  | 'sandbox_lost'
  | 'sandbox_ended'
  | 'no_capacity'
  | 'deadline_exceeded'
  | 'superseded';

/**
 * What a background decision rests on. It stands only while nobody did anything since: no activity, and the
 * sandbox still in that state. Checked before anything is sent; a caller who joins takes the pin away.
 */
export interface Pin {
  readonly activitySequence: number;
  readonly state: SandboxState;
}

export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly sandboxId: string;
  /** The guest that a `discard` removes and is claimed on; there only for that kind. */
  readonly guestId?: string;
  readonly state: OperationState;
  readonly options: OperationOptions;
  readonly route: Route;
  readonly attempts: readonly Attempt[];
  /** Who asked first: the name of a token, a client or a sweep. */
  readonly requestedBy?: string;
  readonly createdAtMs: number;
  /** No new attempt begins after this. */
  readonly deadlineAtMs: number;
  readonly settledAtMs?: number;
  readonly failure?: OperationFailure;
  /** For a resume: whether memory was kept. */
  readonly memoryKept?: boolean;
  /** For a resume: the guest's clock, where it was read. */
  readonly clock?: GuestClock;
  /** For a resume: an attempt of it booted the guest from its disk, so memory cannot have been kept. */
  readonly coldBooted?: boolean;
  /** What a start holds in budgets. */
  readonly reserved?: Reservation;
  /** There only on what a sweep decided and no caller joined. */
  readonly pin?: Pin;
  /** Why the pin did not hold. */
  readonly pinBroken?: string;
  /** For a pinned one: when its first request to the provider was let go. From then on it is carried through. */
  readonly sentAtMs?: number;
}

export function isSettled(state: OperationState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'superseded';
}
