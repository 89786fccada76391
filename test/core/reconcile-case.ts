/** One sandbox in order, and how to bend it. */
import type { Guest } from '../../src/core/guest.ts';
import type { Marker } from '../../src/core/marker.ts';
import type { ReconcileInput, SeenGuest } from '../../src/core/reconcile.ts';
import type { Sandbox } from '../../src/core/sandbox.ts';

export const NOW_MS = 10_000_000;
export const LAG_MS = 60_000;
export const RETENTION_MS = 1_000_000;

export function marker(changes: Partial<Marker> = {}): Marker {
  return {
    deployment: 'prod',
    install: 'i1',
    sandbox: 'sbx-1',
    guest: 'pvevm-00000001',
    vmid: 20_001,
    operation: 'op-1',
    attempt: 1,
    ...changes,
  };
}

export function guest(changes: Partial<Guest> = {}): Guest {
  const { id = 'pvevm-00000001', sandboxId = 'sbx-1' } = changes;
  return {
    id,
    sandboxId,
    state: 'live',
    provider: 'pve-vm',
    intent: {
      provider: 'pve-vm',
      guestId: id,
      failureDomain: 'pve',
      source: '9000',
      node: 'pve1',
      vmid: 20_001,
      marker: marker({ guest: id, sandbox: sandboxId }),
      metadata: {},
    },
    ref: { provider: 'pve-vm', guestId: id, nativeId: '20001', node: 'pve1' },
    sentAtMs: 1,
    createdByOperation: 'op-1',
    ...changes,
  };
}

export function sandbox(changes: Partial<Sandbox> = {}): Sandbox {
  return {
    id: 'sbx-1',
    state: 'running',
    version: 1,
    epoch: 1,
    request: {
      requiresRamSnapshot: false,
      allowFallback: true,
      metadata: {},
      onExpiry: 'pause',
      protected: false,
    },
    createdAtMs: 1,
    updatedAtMs: 1,
    cause: 'op-1',
    placement: {
      provider: 'pve-vm',
      guestId: 'pvevm-00000001',
      nativeId: '20001',
      hostname: 'pvevm-00000001',
      endpoints: [],
      simulated: false,
    },
    ...changes,
  };
}

export function seen(changes: Partial<SeenGuest> = {}): SeenGuest {
  return {
    ref: { provider: 'pve-vm', guestId: 'pvevm-00000001', nativeId: '20001', node: 'pve1' },
    condition: 'running',
    ...changes,
  };
}

interface World {
  readonly seen?: readonly SeenGuest[];
  readonly guests?: readonly Guest[];
  readonly sandboxes?: readonly Sandbox[];
  readonly busy?: readonly string[];
  readonly attempts?: Readonly<Record<string, number>>;
}

export function world({
  seen: seenGuests = [seen()],
  guests = [guest()],
  sandboxes = [sandbox()],
  busy = [],
  attempts = { 'op-1': 1 },
}: World = {}): ReconcileInput {
  return {
    deployment: 'prod',
    installs: new Set(['i1']),
    seen: seenGuests,
    guests: new Map(guests.map((each) => [each.id, each])),
    sandboxes: new Map(sandboxes.map((each) => [each.id, each])),
    busy: new Set(busy),
    attempts: new Map(Object.entries(attempts)),
    nowMs: NOW_MS,
    listLagMs: LAG_MS,
    retentionMs: RETENTION_MS,
  };
}
