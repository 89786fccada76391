/**
 * What can be restored of a lost registry from the markers that guests carry. Data in, a plan out; nothing in
 * it destroys anything. Markers hold what was known when the guest was made, so later changes are not restored.
 */

import type { Guest, GuestCondition, GuestRef } from './guest.ts';
import { createdAtOfId } from './ids.ts';
import type { Marker } from './marker.ts';
import { isEnded, type Sandbox } from './sandbox.ts';
import type { StartRequest } from './start-request.ts';

export interface MarkedGuest {
  readonly ref: GuestRef;
  readonly condition: GuestCondition;
  readonly marker: Marker;
  readonly failureDomain: string;
  readonly preservesRam: boolean;
  readonly simulated: boolean;
  readonly remediation?: string;
}

export interface RebuildInput {
  readonly deployment: string;
  /** Installations whose guests are restored. */
  readonly installs: ReadonlySet<string>;
  readonly found: readonly MarkedGuest[];
  readonly guests: ReadonlyMap<string, Guest>;
  readonly sandboxes: ReadonlyMap<string, Sandbox>;
  readonly busy: ReadonlySet<string>;
}

export interface Restoration {
  readonly guest: MarkedGuest;
  readonly state: 'running' | 'paused' | 'stuck';
  readonly preservesRam?: boolean;
  readonly cause: string;
  readonly request: StartRequest;
  readonly createdAtMs: number;
  /** The state of the guest's record, if there is one: `unowned` or `gone`. */
  readonly guestWas?: Guest['state'];
  /** The record that is there and holds no guest any more. */
  readonly replaces?: Sandbox;
}

export interface LeftAlone {
  readonly guest: MarkedGuest;
  readonly reason: string;
}

export interface RebuildPlan {
  readonly restore: readonly Restoration[];
  /** Known as they are. */
  readonly known: readonly MarkedGuest[];
  /** These become unowned: they are shown and never touched. */
  readonly unowned: readonly LeftAlone[];
  /** Nothing is written about these; a later rebuild may take them. */
  readonly notNow: readonly LeftAlone[];
}

/** What no marker holds. */
export const NOT_RESTORED = [
  'times to live, protection and idle time-outs that were changed after the start',
  'metadata that callers gave on Proxmox, where nothing keeps it',
  'history, operations, idempotency keys, activity and holds',
  'secrets of guests (they are still in the guests’ own configuration)',
  'sandboxes that have ended, and those whose guest was never made',
  'access tokens and paused sweeps',
] as const;

export function planRebuild(input: RebuildInput): RebuildPlan {
  const plan = {
    restore: [] as Restoration[],
    known: [] as MarkedGuest[],
    unowned: [] as LeftAlone[],
    notNow: [] as LeftAlone[],
  };
  const bySandbox = new Map<string, MarkedGuest[]>();
  for (const guest of input.found.filter(isOurs(input))) {
    const { sandbox } = guest.marker;
    bySandbox.set(sandbox, [...(bySandbox.get(sandbox) ?? []), guest]);
  }
  for (const [sandboxId, candidates] of bySandbox) {
    const sandbox = input.sandboxes.get(sandboxId);
    const free: MarkedGuest[] = [];
    for (const guest of candidates) {
      if (isAnsweredFor(input.guests.get(guest.ref.guestId))) plan.known.push(guest);
      else free.push(guest);
    }
    if (input.busy.has(sandboxId)) {
      plan.notNow.push(...free.map((guest) => ({ guest, reason: 'its sandbox has an operation under way' })));
      continue;
    }
    const [first, ...others] = free.toSorted(laterFirst);
    if (first === undefined) continue;
    if (sandbox && !isEnded(sandbox.state) && sandbox.placement) {
      const reason = `${sandboxId} is known and points to ${sandbox.placement.guestId}`;
      plan.unowned.push(...free.map((guest) => ({ guest, reason })));
      continue;
    }
    const restoration = restore(first, sandbox, input.guests.get(first.ref.guestId));
    if (restoration) plan.restore.push(restoration);
    else plan.notNow.push({ guest: first, reason: `the provider shows it ${first.condition}` });
    const reason = `${first.ref.guestId} is the later guest of ${sandboxId}`;
    plan.unowned.push(...others.map((guest) => ({ guest, reason })));
  }
  return plan;
}

/** Installations of this deployment's name that guests tell of, and how many each has. */
export function installsOf(
  deployment: string,
  found: readonly Pick<MarkedGuest, 'marker'>[],
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { marker } of found) {
    if (marker.deployment !== deployment) continue;
    counts.set(marker.install, (counts.get(marker.install) ?? 0) + 1);
  }
  return counts;
}

function isOurs({ deployment, installs }: RebuildInput) {
  return ({ marker }: MarkedGuest) => marker.deployment === deployment && installs.has(marker.install);
}

/** Condemned ones too: their word stands. */
function isAnsweredFor(guest: Guest | undefined): boolean {
  return guest !== undefined && guest.state !== 'unowned' && guest.state !== 'gone';
}

/** Of two guests of one sandbox the later attempt is the one that its start went on with. */
function laterFirst(a: MarkedGuest, b: MarkedGuest): number {
  if (a.marker.operation !== b.marker.operation) return a.marker.operation < b.marker.operation ? 1 : -1;
  return b.marker.attempt - a.marker.attempt;
}

function restore(
  guest: MarkedGuest,
  replaces: Sandbox | undefined,
  record: Guest | undefined,
): Restoration | undefined {
  const state = stateOf(guest);
  if (state === undefined) return undefined;
  const { marker } = guest;
  return {
    guest,
    ...state,
    request: requestOf(marker),
    createdAtMs: marker.createdAtMs ?? createdAtOfId(marker.operation) ?? 0,
    ...(record ? { guestWas: record.state } : {}),
    ...(replaces ? { replaces } : {}),
  };
}

function stateOf({
  condition,
  preservesRam,
}: MarkedGuest): Pick<Restoration, 'state' | 'preservesRam' | 'cause'> | undefined {
  const cause = 'restored from its marker';
  switch (condition) {
    case 'running':
      return { state: 'running', cause };
    case 'paused':
      return { state: 'paused', preservesRam, cause };
    case 'stopped':
      return { state: 'paused', preservesRam: false, cause: 'guest_stopped' };
    case 'stuck':
      return { state: 'stuck', cause };
    case 'creating':
    case 'pausing':
    case 'gone':
    case 'unknown':
      return undefined;
  }
}

function requestOf(marker: Marker): StartRequest {
  const optional = {
    preset: marker.preset,
    teamId: marker.team,
    userId: marker.user,
    taskRunId: marker.taskRun,
    workloadType: marker.workload as StartRequest['workloadType'],
    ttlSeconds: marker.ttlSeconds,
    idleTimeoutSeconds: marker.idleTimeoutSeconds,
  };
  return {
    requiresRamSnapshot: marker.requiresRam ?? false,
    allowFallback: true,
    metadata: {},
    onExpiry: marker.onExpiry ?? 'pause',
    protected: marker.protected ?? false,
    ...(Object.fromEntries(
      Object.entries(optional).filter(([, value]) => value !== undefined),
    ) as Partial<StartRequest>),
  };
}
