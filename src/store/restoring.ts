/** Writes what a rebuild restores: one sandbox with its guest at a time, refused when either is answered for by now. */

import type { Endpoint, Guest } from '../core/guest.ts';
import type { Restoration } from '../core/rebuild.ts';
import type { SandboxPlacement } from '../core/sandbox.ts';
import { billSandboxState } from './billing.ts';
import { emit } from './events.ts';
import { holdVmid, intentOf } from './inventory.ts';
import type { Keys } from './keys.ts';
import { SCHEMA_VERSION } from './records.ts';
import { renewSoon } from './renewals.ts';
import type { BeginTransaction, Transaction } from './transaction.ts';

export interface Restoring {
  /** False: sandbox or guest is answered for by now; nothing was written. */
  restore(restoration: Restoration, reached: Reached, nowMs: number): Promise<boolean>;
}

/** How the guest is reached; without endpoints until its next resume when that could not be found out. */
export interface Reached {
  readonly hostname: string;
  readonly endpoints: readonly Endpoint[];
}

export function createRestoring(begin: BeginTransaction, keys: Keys): Restoring {
  return {
    async restore(restoration, reached, nowMs) {
      const { guest, replaces } = restoration;
      const sandboxKey = keys.sandbox(guest.marker.sandbox);
      const guestKey = keys.guest(guest.ref.guestId);
      const transaction = begin();
      if (replaces) transaction.guardField(sandboxKey, 'version', replaces.version);
      else transaction.guardAbsent(sandboxKey);
      // Absent, or known as unowned or gone, which `planRebuild` has seen.
      transaction.guardField(guestKey, 'state', restoration.guestWas ?? '');
      writeGuest(transaction, keys, restoration, nowMs);
      writeSandbox(transaction, keys, restoration, reached, nowMs);
      billSandboxState(transaction, keys, restoredGuest(restoration), { sandbox: restoration }, nowMs);
      return (await transaction.commit()).ok;
    },
  };
}

function restoredGuest({ guest: { ref, marker, failureDomain } }: Restoration): Guest {
  return {
    id: ref.guestId,
    sandboxId: marker.sandbox,
    state: 'live',
    provider: ref.provider,
    intent: intentOf(ref, marker, failureDomain),
    ref,
    createdByOperation: marker.operation,
  };
}

function writeGuest(
  transaction: Transaction,
  keys: Keys,
  { guest, cause }: Restoration,
  nowMs: number,
): void {
  const { ref, marker, failureDomain } = guest;
  const key = keys.guest(ref.guestId);
  const intent = intentOf(ref, marker, failureDomain);
  transaction
    .setFields(key, {
      id: ref.guestId,
      schemaVersion: SCHEMA_VERSION,
      sandboxId: marker.sandbox,
      state: 'live',
      provider: ref.provider,
      intent: JSON.stringify(intent),
      ref: JSON.stringify(ref),
      createdByOperation: marker.operation,
      createdAtMs: nowMs,
      sentAtMs: 0,
      cause,
    })
    .command('PERSIST', key)
    .command('ZREM', keys.guestsUnowned, ref.guestId)
    .command('ZADD', keys.guestsOf(ref.provider), nowMs, ref.guestId);
  holdVmid(transaction, keys, { id: ref.guestId, intent });
}

function writeSandbox(
  transaction: Transaction,
  keys: Keys,
  restoration: Restoration,
  reached: Reached,
  nowMs: number,
): void {
  const { guest, state, preservesRam, cause, request, createdAtMs, replaces } = restoration;
  const { ref, marker, simulated, remediation } = guest;
  const id = marker.sandbox;
  const key = keys.sandbox(id);
  const placement: SandboxPlacement = {
    provider: ref.provider,
    guestId: ref.guestId,
    nativeId: ref.nativeId,
    ...(marker.vmid === undefined ? {} : { vmid: marker.vmid }),
    ...(ref.node === undefined ? {} : { node: ref.node }),
    ...reached,
    simulated,
  };
  transaction
    .setFields(key, {
      id,
      schemaVersion: SCHEMA_VERSION,
      state,
      request: JSON.stringify(replaces?.request ?? request),
      createdAtMs: replaces?.createdAtMs ?? createdAtMs,
      updatedAtMs: nowMs,
      restoredAtMs: nowMs,
      cause,
      placement: JSON.stringify(placement),
      preservesRam: preservesRam === undefined ? null : String(preservesRam),
      remediation: state === 'stuck' ? (remediation ?? null) : null,
    })
    .command('HINCRBY', key, 'version', 1)
    .command('HINCRBY', key, 'epoch', 1)
    .command('PERSIST', key)
    .command('ZREM', keys.sandboxesEnded, id)
    .command('ZADD', keys.sandboxesCurrent, replaces?.createdAtMs ?? createdAtMs, id);
  if (state === 'running') renewSoon(transaction, keys, ref, nowMs);
  for (const native of [ref.guestId, ref.nativeId]) {
    transaction.command('SET', keys.native(native), id);
  }
  emit(transaction, keys, 'guest.reconciled', nowMs, {
    sandboxId: id,
    guestId: ref.guestId,
    provider: ref.provider,
    act: 'restored',
    receipt: `its marker names attempt ${marker.attempt} of ${marker.operation}, installation ${marker.install}`,
  });
  emit(transaction, keys, 'sandbox.changed', nowMs, {
    sandboxId: id,
    operationId: marker.operation,
    from: replaces?.state ?? '',
    to: state,
  });
}
