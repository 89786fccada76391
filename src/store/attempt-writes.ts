/**
 * What the holder of a claim writes while its attempt runs: the intent before anything is sent, the one-shot
 * send permit, what was created, the hold. How attempts end is in `attempt-endings.ts`.
 */
import type { Guest, GuestIntent } from '../core/guest.ts';
import { accountOf, type BillingInstant, stateAtCreation } from '../core/ledger.ts';
import type { HoldReason } from '../core/operation.ts';
import { meantFor } from '../core/route.ts';
import { type NextAttempt, type NoRoom, openNextAttempt } from './attempt-endings.ts';
import { attemptField, guestIdOf, release } from './attempt-fields.ts';
import { bill } from './billing.ts';
import { keepMemory } from './capacity-book.ts';
import type { Claim } from './claims.ts';
import type { Keys } from './keys.ts';
import { createPins, type Pins } from './pins.ts';
import type { Reading } from './reading.ts';
import { SCHEMA_VERSION } from './records.ts';
import { JOB_EXPECTED_WITHIN_MS } from './submission.ts';

export interface Hold {
  /** When the attempt first held for this. */
  readonly sinceMs: number;
  readonly holdFor: HoldReason;
  readonly delayMs: number;
  readonly nowMs: number;
}

export interface CreatedRecord {
  /** With the address and the size that the provider gave it. */
  readonly guest: Guest;
  readonly task: string | undefined;
  /** From when it is billed. */
  readonly since: BillingInstant;
}

export interface AttemptWrites {
  /** Records what is to be created and takes its send permit: whoever recorded it may send the create. */
  recordIntent(claim: Claim, intent: GuestIntent, nowMs: number): Promise<Guest>;
  /** For an intent of an earlier attempt. True for exactly one caller per intent: that one may send the create. */
  takeSendPermit(claim: Claim, guestId: string, nowMs: number): Promise<boolean>;
  /** Also opens the guest's first interval in the ledger. */
  recordCreated(claim: Claim, created: CreatedRecord): Promise<void>;
  /** Remembers, before it is asked for, that this operation boots the guest from its disk. */
  recordColdBoot(claim: Claim): Promise<void>;
  /** Keeps the attempt open and releases the claim; the attempt's job comes back after `delayMs`. */
  hold(claim: Claim, hold: Hold): Promise<void>;
  /** Closes this attempt, opens the next, releases the claim. Returns the next attempt's number, if there is room for it. */
  openNextAttempt(claim: Claim, next: NextAttempt, nowMs: number): Promise<number | NoRoom>;
  /** Settles the operation and releases the claim. */
  settle: Pins['settle'];
  takeSendRight: Pins['takeSendRight'];
  supersede: Pins['supersede'];
}

export function createAttemptWrites(keys: Keys, reading: Reading): AttemptWrites {
  return {
    ...createPins(keys, reading),
    recordIntent: (claim, intent, nowMs) => recordIntent(keys, claim, intent, nowMs),
    takeSendPermit: (claim, guestId, nowMs) => takeSendPermit(keys, claim, guestId, nowMs),
    recordCreated: (claim, created) => recordCreated(keys, claim, created),
    recordColdBoot: (claim) => recordColdBoot(keys, claim),
    hold: (claim, held) => hold(keys, claim, held),
    openNextAttempt: (claim, next, nowMs) => openNextAttempt(keys, claim, next, nowMs),
  };
}

async function recordIntent(keys: Keys, claim: Claim, intent: GuestIntent, nowMs: number): Promise<Guest> {
  const { operation, attempt } = claim;
  const wanted = meantFor(operation.route);
  const guest: Guest = {
    id: intent.guestId,
    sandboxId: operation.sandboxId,
    state: 'creating',
    provider: intent.provider,
    intent,
    sentAtMs: nowMs,
    ...(wanted === undefined || wanted === intent.provider ? {} : { meantFor: wanted }),
    createdByOperation: operation.id,
  };
  const transaction = claim
    .begin()
    .guardAbsent(keys.guest(guest.id))
    .setFields(keys.guest(guest.id), {
      id: guest.id,
      schemaVersion: SCHEMA_VERSION,
      sandboxId: guest.sandboxId,
      state: guest.state,
      provider: guest.provider,
      intent: JSON.stringify(intent),
      sentAtMs: nowMs,
      meantFor: guest.meantFor,
      createdByOperation: guest.createdByOperation,
      createdAtMs: nowMs,
    })
    .setFields(keys.operation(operation.id), attemptField({ ...attempt, guestId: guest.id }))
    .command('ZADD', keys.guestsOf(guest.provider), nowMs, guest.id);
  keepMemory(transaction, keys, guest);
  await claim.commit(transaction);
  return guest;
}

async function takeSendPermit(keys: Keys, claim: Claim, guestId: string, nowMs: number): Promise<boolean> {
  const transaction = claim.begin().command('HSETNX', keys.guest(guestId), 'sentAtMs', nowMs);
  return (await claim.commit(transaction)).at(-1) === 1;
}

async function recordCreated(keys: Keys, claim: Claim, { guest, task, since }: CreatedRecord): Promise<void> {
  const transaction = claim.begin().setFields(keys.guest(guest.id), {
    ref: guest.ref && JSON.stringify(guest.ref),
    creationTask: task,
    billedSize: guest.billedSize && JSON.stringify(guest.billedSize),
  });
  bill(transaction, keys, accountOf(guest), { state: stateAtCreation(guest.provider), ...since });
  await claim.commit(transaction);
}

async function recordColdBoot(keys: Keys, claim: Claim): Promise<void> {
  await claim.commit(claim.begin().setFields(keys.operation(claim.operation.id), { coldBooted: 'true' }));
}

async function hold(keys: Keys, claim: Claim, { sinceMs, holdFor, delayMs, nowMs }: Hold): Promise<void> {
  const { operation, attempt } = claim;
  const transaction = claim
    .begin()
    .setFields(
      keys.operation(operation.id),
      attemptField({ ...attempt, ...guestIdOf(claim), holdSinceMs: sinceMs, holdFor }),
    );
  release(transaction, keys, claim, nowMs + delayMs + JOB_EXPECTED_WITHIN_MS);
  await claim.commit(transaction);
}
