/**
 * The contract every driver fills.
 *
 * One call brings a guest into being and is not repeatable: `create`. Everything else may be called again,
 * after a crash too, by another process, and brings the guest to the state it names.
 *
 * - Before `create` the caller records the intent that `prepare` returned, and lets exactly one `create` go
 *   per intent. Whoever takes over calls `look` first and never `create` again unless the guest is proved
 *   absent.
 * - A failed call throws a `ProviderError` whose `effect` is truthful: `none` only when nothing can have
 *   reached the provider or the provider refused before acting.
 * - Every call ends within a second of its signal's abort, and then throws the abort reason.
 * - Each request that changes something at the provider runs inside `call.step(name, send)`; nothing else
 *   does. The step refuses when the claim is no longer held.
 * - Drivers keep no state between calls that another process would need.
 */
import type { ProviderCounters } from '../core/activity.ts';
import type { CapacityReport } from '../core/capacity-report.ts';
import type { Endpoint, GuestCondition, GuestIntent, GuestRef, GuestSize } from '../core/guest.ts';
import type { Marker } from '../core/marker.ts';
import type { BilledSize } from '../core/price-book.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { ClockReport } from '../core/reconnect.ts';
import type { Sources } from '../core/start-request.ts';

export type { CapacityReport, GuestCondition };

/** What a driver needs of whoever calls it. */
export interface ProviderCall {
  readonly signal: AbortSignal;
  /** Who holds the permits that this call takes: the id of the operation. */
  readonly holder: string;
  /**
   * Runs one side effect under the fence. `send` gets the instant, on `performance.now()`'s clock, after
   * which its bytes may no longer leave; the HTTP client checks it right before sending.
   * @throws when the claim is lost; then nothing was sent.
   */
  step<T>(name: string, send: (sendBeforeMs: number) => Promise<T>): Promise<T>;
  /** Tells since when the guest runs (Unix time, ms), where the provider keeps a record of it: for the ledger. */
  noteRunning?(sinceMs: number): void;
}

/** What a new guest is to be. */
export interface GuestSpec {
  /** Made by the caller, in the shape of `Provider.guestIdPrefix` plus eight hex digits. */
  readonly guestId: string;
  readonly sources: Sources;
  /** The preset's; absent: the guest gets what its source has. */
  readonly size?: GuestSize;
  readonly marker: Marker;
  /** The caller's own metadata, passed through where the provider keeps any. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ProviderCapabilities {
  /** Whether `pause` keeps memory. */
  readonly preservesRam: boolean;
}

/** What the provider says of a guest's cost. */
export interface BilledFacts {
  /** When it was made, by the provider's own record. Unix time, ms. */
  readonly sinceMs?: number;
  /** What it has, where that is not what was asked for. */
  readonly size?: BilledSize;
}

/** What was charged for a time. */
export interface BilledPart {
  readonly fromMs: number;
  readonly toMs: number;
  /** Rounded by the provider; parts may be wrong by half a cent for each kind of resource. */
  readonly cents: number;
}

export interface CreatedGuest {
  readonly ref: GuestRef;
  readonly billed?: BilledFacts;
  /** The provider's handle for work that is still under way, such as a UPID. */
  readonly task?: string;
}

/**
 * What was found where the intent said the guest would be.
 * `ours`: a valid marker with this guest id. `pending`: something is being created there and does not say
 * whose it is yet. `remains`: a removal that was cut short has left something nameless there. `foreign`: proved
 * to be somebody else's. `absent`: nothing there and nothing under way *now*; conclusive only once
 * `visibilityBoundMs` has passed since the request can last have been sent.
 *
 * Where a `ref` comes with `pending` or `remains`, `destroy` tells what passes by itself from what only a person
 * can free; it removes neither.
 */
export type Sighting =
  | { readonly kind: 'ours'; readonly ref: GuestRef; readonly billed?: BilledFacts }
  | { readonly kind: 'pending'; readonly task?: string; readonly ref?: GuestRef }
  | { readonly kind: 'remains'; readonly ref: GuestRef; readonly detail: string }
  | { readonly kind: 'foreign'; readonly detail: string }
  | { readonly kind: 'absent' };

export interface GuestObservation {
  readonly condition: GuestCondition;
  /** For people: the lock word, the provider's own state. */
  readonly detail: string;
  /** Whether the guest carries a valid marker with its own id. `undefined`: could not be read. */
  readonly marker?: Marker;
  /** The exact command that frees a stuck guest. */
  readonly remediation?: string;
  /** Of a stuck guest: whether it is up and takes memory. Absent: not known. */
  readonly runs?: boolean;
  /** When the provider's own TTL pauses it, or paused it. Unix time, ms. */
  readonly pausesAtMs?: number;
  /** Whether traffic may wake it without our doing. */
  readonly wakesByItself?: boolean;
}

export interface GuestFacts {
  readonly ref: GuestRef;
  readonly vmid?: number;
  readonly hostname: string;
  readonly endpoints: readonly Endpoint[];
  /**
   * Made for this guest alone and written into it before its first boot, by name: `execToken`. The same at
   * every call. For the caller to keep encrypted and give to operators; it belongs into no log, job, error or
   * record in clear text.
   */
  readonly secrets?: Readonly<Record<string, string>>;
}

export interface ListedGuest {
  readonly ref: GuestRef;
  readonly condition: GuestCondition;
  readonly marker?: Marker;
  /** What it used, where the list tells so at no cost. */
  readonly counters?: Omit<ProviderCounters, 'atMs'>;
  /** It runs, and is not set as `configure` would set it. */
  readonly settingsDiffer?: boolean;
}

export interface PauseResult {
  readonly preservesRam: boolean;
}

export interface ResumeRequest {
  /** Whether a guest without its memory image may be started from its disk. */
  readonly allowColdBoot: boolean;
  /** It was paused, as far as is known: found running, it was woken lately. Default false. */
  readonly wasPaused?: boolean;
}

export interface ResumeResult {
  readonly facts: GuestFacts;
  /** False when the guest came up from its disk alone. */
  readonly memoryKept: boolean;
  /** Only where a guest's clock stands still while it sleeps. */
  readonly clock?: ClockReport;
}

export interface ProviderHealth {
  readonly healthy: boolean;
  /** One sentence for people: a version when healthy, the trouble when not. */
  readonly detail: string;
}

export interface Provider {
  readonly name: ProviderName;
  /** `pvevm-`, `pvelxc-`, `morph-`: the shapes cmux's routers know. */
  readonly guestIdPrefix: string;
  readonly capabilities: ProviderCapabilities;
  /** What fails together with it: one PVE endpoint, one Morph account. */
  readonly failureDomain: string;
  /** True when a simulator answers in the provider's place; shown wherever a user could mistake it. */
  readonly simulated: boolean;
  /** How long after sending a create its guest may still be invisible. Unit: ms. */
  readonly visibilityBoundMs: number;

  /** Decides where and from what; changes nothing at the provider. May be called again. */
  prepare(spec: GuestSpec, call: ProviderCall): Promise<GuestIntent>;

  /** Sends the one creating request (step `create`) and returns as soon as the provider took it. */
  create(intent: GuestIntent, call: ProviderCall): Promise<CreatedGuest>;

  /** Looks for the guest of an intent, by marker; changes nothing. */
  look(intent: GuestIntent, call: ProviderCall): Promise<Sighting>;

  /**
   * Carries a created guest on until it runs: waits for the creation task, configures, boots. Returns its
   * address; whether its services answer is the caller's to check. Throws `effect: 'none'` only when the
   * creation failed and the guest is proved absent.
   */
  bringUp(
    intent: GuestIntent,
    created: { readonly ref: GuestRef; readonly task?: string },
    call: ProviderCall,
  ): Promise<GuestFacts>;

  /** Suspends with memory where `capabilities.preservesRam`, else shuts down. Paused already: succeeds. */
  pause(ref: GuestRef, call: ProviderCall): Promise<PauseResult>;

  /**
   * Running already: succeeds. A guest found without its memory image throws `memory_lost`, unless
   * `allowColdBoot`.
   */
  resume(ref: GuestRef, options: ResumeRequest, call: ProviderCall): Promise<ResumeResult>;

  /**
   * Removes the guest and returns once it is proved absent; absent already: succeeds. Refuses with
   * `foreign_guest` when what it finds does not carry this guest's marker.
   */
  destroy(ref: GuestRef, call: ProviderCall): Promise<void>;

  inspect(ref: GuestRef, call: ProviderCall): Promise<GuestObservation>;

  /**
   * Only where the provider pauses and wakes guests by itself (`HAS_OWN_TTL`): brings the settings of a running
   * guest to what this deployment wants, arms its TTL anew, and tells how the guest was found. One that does not
   * run, or is not ours, is left as it is.
   */
  configure?(ref: GuestRef, call: ProviderCall): Promise<GuestObservation>;

  /** How often a running guest needs `configure`. Unit: ms. */
  readonly configureEveryMs?: number;

  /** Every guest of ours that the provider shows, of any deployment; markers where the list carries them. */
  list(call: ProviderCall): Promise<readonly ListedGuest[]>;

  /** Only where capacity is ours to watch. */
  capacity?(call: ProviderCall): Promise<CapacityReport>;

  /**
   * What the provider charged in the last `days` days, in parts without overlap, the oldest first; for comparison
   * alone. Only where it tells. The whole account: also what other deployments, or people, had in it.
   */
  billed?(days: number, call: ProviderCall): Promise<readonly BilledPart[]>;

  /** One cheap request that needs credentials. Never throws but on abort. */
  probe(call: ProviderCall): Promise<ProviderHealth>;
}
