/**
 * The judge of a chaos run: compares what the providers hold with what the records say. Pure, so that each
 * finding can be planted and seen caught.
 *
 * The inventory is read before the records. Whatever a record says of a guest that was seen can then only be
 * newer: a guest that two readings later is still uncondemned was so when it was seen.
 */
import type { GuestState } from '../src/core/guest.ts';
import { isSettled, type OperationState } from '../src/core/operation.ts';
import { isEnded, type SandboxState } from '../src/core/sandbox.ts';

/** A guest as its provider holds it, whatever anybody recorded. */
export interface SeenGuest {
  /** The VMID as text, or the Morph instance id. */
  readonly nativeId: string;
  /** By its marker; absent when it carries none. */
  readonly guestId?: string;
  readonly sandboxId?: string;
  readonly running: boolean;
  /** A lock word that only a person can take away. */
  readonly lock?: string;
}

export interface SandboxFacts {
  readonly state: SandboxState;
  /** Where it is, once it was usable. */
  readonly guestId?: string;
}

export interface GuestFacts {
  readonly state: GuestState;
  readonly sandboxId: string;
  readonly createdByOperation: string;
  /** Where it is, or is to be, as far as that is known. */
  readonly nativeId?: string;
}

export interface OperationFacts {
  readonly state: OperationState;
  readonly kind: string;
  readonly sandboxId: string;
  readonly failureCode?: string;
}

/** What the records say of everything that was accepted or seen; what they do not know is absent. */
export interface Registry {
  readonly sandboxes: ReadonlyMap<string, SandboxFacts>;
  readonly guests: ReadonlyMap<string, GuestFacts>;
  readonly operations: ReadonlyMap<string, OperationFacts>;
}

/** What a caller was promised. */
export interface Accepted {
  readonly operationId: string;
  readonly sandboxId: string;
}

export interface Finding {
  /** Guest, sandbox or operation. */
  readonly id: string;
  readonly why: string;
}

export interface Verdict {
  readonly lost: readonly Finding[];
  readonly duplicates: readonly Finding[];
  /** Guests that nobody answers for now; after the grace they are leaked. */
  readonly unanswered: readonly Finding[];
  readonly unsettled: readonly Finding[];
  /** Sandboxes and guests under a lock that a person must take away. */
  readonly stuck: readonly Finding[];
  /** Records that disagree with what the provider holds although nothing is under way. */
  readonly drifted: readonly Finding[];
}

export function judge(
  inventory: readonly SeenGuest[],
  registry: Registry,
  accepted: readonly Accepted[],
): Verdict {
  const seen = inventory.map((guest) => recognise(guest, registry));
  const busy = busySandboxes(registry);
  const stuck = findStuck(seen, registry);
  const freed = (id: string) => !stuck.some((finding) => finding.id === id);
  return {
    lost: [...lostPromises(registry, accepted), ...lostGuests(seen, registry, busy)],
    duplicates: findDuplicates(seen, registry),
    unanswered: seen.flatMap((guest) => {
      const why = whyUnanswered(guest, registry);
      return why === undefined ? [] : [{ id: guest.guestId ?? guest.nativeId, why }];
    }),
    unsettled: findUnsettled(seen, registry).filter(({ id }) => freed(id)),
    stuck,
    drifted: findDrift(seen, registry, busy),
  };
}

/**
 * A guest under a lock may carry no marker: its clone has not written it yet, or its removal was cut short after
 * it had taken the configuration away. Then it is the one that a record expects at this place.
 */
function recognise(guest: SeenGuest, { guests }: Registry): SeenGuest {
  if (guest.guestId !== undefined || guest.lock === undefined) return guest;
  for (const [guestId, { nativeId, sandboxId, state }] of guests) {
    if (nativeId === guest.nativeId && state !== 'gone') return { ...guest, guestId, sandboxId };
  }
  return guest;
}

function busySandboxes({ operations }: Registry): ReadonlySet<string> {
  return new Set(
    [...operations.values()].filter(({ state }) => !isSettled(state)).map(({ sandboxId }) => sandboxId),
  );
}

/** An answer that was given to a caller and that no record bears out any more. */
function lostPromises({ operations, sandboxes }: Registry, accepted: readonly Accepted[]): Finding[] {
  return accepted.flatMap(({ operationId, sandboxId }) => [
    ...(operations.has(operationId)
      ? []
      : [{ id: operationId, why: `accepted for ${sandboxId}, and no record of it` }]),
    ...(sandboxes.has(sandboxId) ? [] : [{ id: sandboxId, why: 'accepted, and no record of it' }]),
  ]);
}

/** A sandbox that is said to run or to be paused, and whose guest is nowhere. */
function lostGuests(
  seen: readonly SeenGuest[],
  { sandboxes }: Registry,
  busy: ReadonlySet<string>,
): Finding[] {
  const there = new Set(seen.map(({ guestId }) => guestId));
  return [...sandboxes].flatMap(([id, { state, guestId }]) => {
    if ((state !== 'running' && state !== 'paused') || busy.has(id) || there.has(guestId)) return [];
    return [{ id, why: `recorded as ${state}, and its guest ${guestId} is nowhere` }];
  });
}

function findDuplicates(seen: readonly SeenGuest[], { guests }: Registry): Finding[] {
  const bySandbox = new Map<string, string[]>();
  for (const { guestId, nativeId, sandboxId } of seen) {
    if (sandboxId === undefined) continue;
    const state = guests.get(guestId ?? '')?.state;
    const isUncondemned = state === undefined || state === 'creating' || state === 'live';
    if (isUncondemned) bySandbox.set(sandboxId, [...(bySandbox.get(sandboxId) ?? []), guestId ?? nativeId]);
  }
  return [...bySandbox].flatMap(([id, guestIds]) =>
    guestIds.length > 1
      ? [{ id, why: `has ${guestIds.length} uncondemned guests: ${guestIds.join(', ')}` }]
      : [],
  );
}

/** Somebody answers for a guest who will use it, or remove it. */
function whyUnanswered(
  { guestId, sandboxId, lock }: SeenGuest,
  { guests, sandboxes, operations }: Registry,
): string | undefined {
  if (guestId === undefined) return `carries no marker, and ${lock ? `the lock ${lock}` : 'no lock'}`;
  const guest = guests.get(guestId);
  if (guest === undefined) return `no record of it (its marker names ${sandboxId})`;
  switch (guest.state) {
    case 'condemned':
    case 'stuck':
      return undefined;
    case 'gone':
    case 'unowned':
      return `recorded as ${guest.state}`;
    case 'creating': {
      const creator = operations.get(guest.createdByOperation);
      if (creator !== undefined && !isSettled(creator.state)) return undefined;
      return `recorded as creating, and ${guest.createdByOperation} is ${creator?.state ?? 'unknown'}`;
    }
    case 'live': {
      const sandbox = sandboxes.get(guest.sandboxId);
      if (sandbox === undefined) return `recorded as live, and no record of ${guest.sandboxId}`;
      if (isEnded(sandbox.state)) return `recorded as live, and ${guest.sandboxId} is ${sandbox.state}`;
      return sandbox.guestId === guestId
        ? undefined
        : `recorded as live, and ${guest.sandboxId} is in ${sandbox.guestId}`;
    }
  }
}

const MOVING: ReadonlySet<SandboxState> = new Set([
  'requested',
  'starting',
  'pausing',
  'resuming',
  'destroying',
]);

function findUnsettled(seen: readonly SeenGuest[], registry: Registry): Finding[] {
  const { operations, sandboxes, guests } = registry;
  const there = new Set(seen.map(({ guestId }) => guestId));
  return [
    ...[...operations].flatMap(([id, { state, kind, sandboxId }]) =>
      isSettled(state) ? [] : [{ id, why: `${kind} of ${sandboxId} is ${state}` }],
    ),
    ...[...sandboxes].flatMap(([id, { state }]) =>
      MOVING.has(state) || state === 'stuck' ? [{ id, why: `the sandbox is ${state}` }] : [],
    ),
    ...[...guests].flatMap(([id, { state }]) =>
      there.has(id) && (state === 'condemned' || state === 'stuck')
        ? [{ id, why: `the guest is ${state} and still there` }]
        : [],
    ),
  ];
}

/** Stuck counts only where the provider itself shows the lock. */
function findStuck(seen: readonly SeenGuest[], { sandboxes, guests }: Registry): Finding[] {
  const locks = new Map(seen.flatMap(({ guestId, lock }) => (guestId && lock ? [[guestId, lock]] : [])));
  const stuckSandboxes = [...sandboxes].flatMap(([id, { state, guestId }]) => {
    const lock = locks.get(guestId ?? '');
    return state === 'stuck' && lock ? [{ id, why: `${guestId} is locked (${lock})` }] : [];
  });
  const stuckGuests = [...guests].flatMap(([id, { state }]) => {
    const lock = locks.get(id);
    return state === 'stuck' && lock ? [{ id, why: `condemned, and locked (${lock})` }] : [];
  });
  return [...stuckSandboxes, ...stuckGuests];
}

function findDrift(
  seen: readonly SeenGuest[],
  { sandboxes }: Registry,
  busy: ReadonlySet<string>,
): Finding[] {
  const byGuest = new Map(seen.map((guest) => [guest.guestId, guest]));
  return [...sandboxes].flatMap(([id, { state, guestId }]) => {
    const guest = guestId === undefined ? undefined : byGuest.get(guestId);
    if (guest === undefined || busy.has(id)) return [];
    const recorded = state === 'running' ? true : state === 'paused' ? false : undefined;
    if (recorded === undefined || recorded === guest.running) return [];
    return [{ id, why: `recorded as ${state}, and ${guestId} is ${guest.running ? 'running' : 'off'}` }];
  });
}

/** Since when each guest has been without anybody who answers for it. */
export type Unanswered = ReadonlyMap<string, { readonly sinceMs: number; readonly why: string }>;

/** Carries the observation on: who is answered for, or gone, is forgotten. */
export function observeUnanswered(before: Unanswered, verdict: Verdict, nowMs: number): Unanswered {
  return new Map(
    verdict.unanswered.map(({ id, why }) => [id, { sinceMs: before.get(id)?.sinceMs ?? nowMs, why }]),
  );
}

/** Those that were seen so for longer than the grace, but for the time in which Redis was away. */
export function leakedAmong(
  unanswered: Unanswered,
  nowMs: number,
  graceMs: number,
  awayMs: (fromMs: number, toMs: number) => number,
): readonly Finding[] {
  return [...unanswered].flatMap(([id, { sinceMs, why }]) =>
    nowMs - sinceMs - awayMs(sinceMs, nowMs) >= graceMs ? [{ id, why }] : [],
  );
}
