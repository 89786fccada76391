/**
 * What a provider shows against what the registry says, guest by guest. Data in, verdicts with receipts out.
 *
 * Nothing is destroyed because the registry does not know it: `discard` is said only of guests whose record is
 * condemned or stuck here. A list proves nothing either way: whatever looks different in it is asked for by an
 * `inspect` operation, under a claim, and that brings the record in line.
 */
import type { ProviderCounters } from './activity.ts';
import type { Guest, GuestCondition, GuestRef } from './guest.ts';
import type { Marker } from './marker.ts';
import { isEnded, type Sandbox } from './sandbox.ts';

/** A guest as the provider shows it. */
export interface SeenGuest {
  readonly ref: GuestRef;
  readonly condition: GuestCondition;
  /** Valid for this guest; absent while it was not read. */
  readonly marker?: Marker;
  /** When the marker's operation was made, as its id tells. */
  readonly operationAtMs?: number;
  /** What it used, where the provider's list tells. */
  readonly counters?: Omit<ProviderCounters, 'atMs'>;
  /** It runs, and is not set at its provider as this deployment wants it. */
  readonly settingsDiffer?: boolean;
  /** What a closer look found wrong with its name or marker. */
  readonly drift?: string;
}

export interface ReconcileInput {
  readonly deployment: string;
  /** Installations whose guests are ours. */
  readonly installs: ReadonlySet<string>;
  readonly seen: readonly SeenGuest[];
  /** Records of all seen guests, and of the provider's whole inventory. */
  readonly guests: ReadonlyMap<string, Guest>;
  /** Sandboxes that these guests, or their markers, name. */
  readonly sandboxes: ReadonlyMap<string, Sandbox>;
  /** Sandboxes with an operation under way or waiting: that one answers for them. */
  readonly busy: ReadonlySet<string>;
  /** How many attempts each operation has that a marker names; absent: the operation is not known. */
  readonly attempts: ReadonlyMap<string, number>;
  readonly nowMs: number;
  /** Provider lists are late by this much: younger changes are not judged by them. */
  readonly listLagMs: number;
  /** An operation older than this may have been forgotten in good order. */
  readonly retentionMs: number;
}

export type Verdict =
  /** No record, but a sandbox here points to it: the record is made anew. */
  | { readonly verdict: 'adopt'; readonly seen: SeenGuest; readonly receipt: string }
  /** No record and nobody who answers for it: recorded, shown, left alone. */
  | {
      readonly verdict: 'record_unowned';
      readonly seen: SeenGuest;
      /** It tells of more than this registry knows. */
      readonly isNewer: boolean;
      readonly receipt: string;
    }
  /** Its record exists, but no sandbox points to it and no attempt has it: left alone from now on. */
  | {
      readonly verdict: 'disown';
      readonly guest: Guest;
      /** Where it was seen. */
      readonly ref: GuestRef;
      readonly receipt: string;
    }
  | { readonly verdict: 'discard'; readonly guest: Guest; readonly receipt: string }
  /** The provider is asked under a claim, and the record follows. */
  | { readonly verdict: 'inspect'; readonly sandbox: Sandbox; readonly receipt: string }
  /** Not in the list: perhaps gone. */
  | {
      readonly verdict: 'suspect';
      readonly sandbox: Sandbox;
      readonly guest: Guest;
      readonly receipt: string;
    }
  | { readonly verdict: 'suspect_unowned'; readonly guest: Guest; readonly receipt: string }
  /** Somebody changed its name or marker: shown, and never written over. */
  | { readonly verdict: 'drifted'; readonly guest: Guest; readonly receipt: string }
  | {
      readonly verdict: 'consistent';
      readonly guest: Guest;
      /** Its marker was read too, and not only what the list shows. */
      readonly isRead: boolean;
    };

export function reconcile(input: ReconcileInput): readonly Verdict[] {
  const byNativeId = new Map<string, Guest>();
  for (const guest of input.guests.values()) {
    if (guest.ref && guest.state !== 'gone') byNativeId.set(guest.ref.nativeId, guest);
  }
  const met = new Set<string>();
  const verdicts: Verdict[] = [];
  for (const seen of input.seen) {
    const guest = input.guests.get(seen.ref.guestId) ?? byNativeId.get(seen.ref.nativeId);
    if (guest) met.add(guest.id);
    const verdict = guest ? judgeKnown(input, seen, guest) : judgeUnknown(input, seen);
    if (verdict) verdicts.push(verdict);
  }
  for (const guest of input.guests.values()) {
    const verdict = met.has(guest.id) ? undefined : judgeMissing(input, guest);
    if (verdict) verdicts.push(verdict);
  }
  return verdicts;
}

function judgeUnknown(input: ReconcileInput, seen: SeenGuest): Verdict | undefined {
  const { marker } = seen;
  if (marker === undefined || marker.deployment !== input.deployment) return undefined;
  const isOwnInstall = input.installs.has(marker.install);
  const sandbox = input.sandboxes.get(marker.sandbox);
  if (isOwnInstall && sandbox && pointsTo(sandbox, marker.guest)) {
    return { verdict: 'adopt', seen, receipt: `${sandbox.id} points to it, and its record was gone` };
  }
  const whose = isOwnInstall ? 'this installation' : `installation ${marker.install} of this deployment`;
  return {
    verdict: 'record_unowned',
    seen,
    isNewer: !isOwnInstall || isNewerThanKnown(input, seen, marker),
    receipt: `its marker names ${whose}, ${marker.sandbox} and attempt ${marker.attempt} of ${marker.operation}, and there is no record of it`,
  };
}

function isNewerThanKnown(
  { attempts, nowMs, retentionMs }: ReconcileInput,
  { operationAtMs }: SeenGuest,
  marker: Marker,
): boolean {
  const known = attempts.get(marker.operation);
  if (known !== undefined) return marker.attempt > known;
  return operationAtMs === undefined || operationAtMs > nowMs - retentionMs;
}

function judgeKnown(input: ReconcileInput, seen: SeenGuest, guest: Guest): Verdict | undefined {
  if (guest.ref && guest.ref.nativeId !== seen.ref.nativeId) {
    const receipt = `${seen.ref.nativeId} carries its name or marker too; it is ${guest.ref.nativeId}`;
    return { verdict: 'drifted', guest, receipt };
  }
  if (seen.ref.guestId !== guest.id) {
    return { verdict: 'drifted', guest, receipt: `it is called ${seen.ref.guestId} now` };
  }
  switch (guest.state) {
    case 'condemned':
    case 'stuck':
      return { verdict: 'discard', guest, receipt: `it is ${guest.state} here: ${guest.cause ?? ''}` };
    case 'unowned':
      return undefined;
    case 'gone':
      return { verdict: 'disown', guest, ref: seen.ref, receipt: 'it was called gone, and is there' };
    case 'creating':
    case 'live':
      return judgeInUse(input, seen, guest);
  }
}

function judgeInUse(input: ReconcileInput, seen: SeenGuest, guest: Guest): Verdict | undefined {
  const sandbox = input.sandboxes.get(guest.sandboxId);
  // Its attempt, or whatever else is under way, carries it on.
  if (input.busy.has(guest.sandboxId)) return undefined;
  if (sandbox === undefined) {
    const receipt = `there is no record of its sandbox ${guest.sandboxId}`;
    return { verdict: 'disown', guest, ref: seen.ref, receipt };
  }
  if (!pointsTo(sandbox, guest.id)) {
    const instead = sandbox.placement?.guestId ?? 'no guest';
    const receipt = `${sandbox.id} is ${sandbox.state} and points to ${instead}`;
    return { verdict: 'disown', guest, ref: seen.ref, receipt };
  }
  if (seen.drift !== undefined) return { verdict: 'drifted', guest, receipt: seen.drift };
  const difference = differenceOf(input, sandbox, seen.condition);
  if (difference === undefined) return { verdict: 'consistent', guest, isRead: seen.marker !== undefined };
  return { verdict: 'inspect', sandbox, receipt: difference };
}

/** What a list may say of a sandbox in a state of rest; other conditions pass by themselves. */
function differenceOf(
  input: ReconcileInput,
  sandbox: Sandbox,
  condition: GuestCondition,
): string | undefined {
  if (sandbox.state === 'stuck') return 'it is stuck, and may have been freed';
  if (!isSettledLongEnough(input, sandbox)) return undefined;
  if (condition !== 'running' && condition !== 'paused' && condition !== 'stopped') return undefined;
  const expected = expectedConditions(sandbox);
  if (expected === undefined || expected.includes(condition)) return undefined;
  return `the provider shows it ${condition}, the record says ${sandbox.state}`;
}

function expectedConditions({ state, preservesRam }: Sandbox): readonly GuestCondition[] | undefined {
  if (state === 'running') return ['running'];
  // Without memory it is off on Proxmox; that it holds memory all the same would be no loss.
  if (state === 'paused') return preservesRam === false ? ['stopped', 'paused'] : ['paused'];
  return undefined;
}

function judgeMissing(input: ReconcileInput, guest: Guest): Verdict | undefined {
  if (guest.state === 'unowned') {
    return { verdict: 'suspect_unowned', guest, receipt: 'the provider does not list it any more' };
  }
  const sandbox = input.sandboxes.get(guest.sandboxId);
  if (guest.state !== 'live' || sandbox === undefined || input.busy.has(sandbox.id)) return undefined;
  if (!pointsTo(sandbox, guest.id) || !isSettledLongEnough(input, sandbox)) return undefined;
  return { verdict: 'suspect', sandbox, guest, receipt: 'the provider does not list it' };
}

function pointsTo(sandbox: Sandbox, guestId: string): boolean {
  return !isEnded(sandbox.state) && sandbox.placement?.guestId === guestId;
}

function isSettledLongEnough({ nowMs, listLagMs }: ReconcileInput, { updatedAtMs }: Sandbox): boolean {
  return nowMs - updatedAtMs >= listLagMs;
}
