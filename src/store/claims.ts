/**
 * Claims: who may act on a sandbox now. A claim raises the subject's epoch and takes a lease; everything its
 * holder writes goes through `begin`, which Redis refuses once a newer claim was made.
 */
import type { Guest } from '../core/guest.ts';
import type { Attempt, Operation } from '../core/operation.ts';
import { type Sandbox, stateDuring } from '../core/sandbox.ts';
import { type Keys, transitionFacts, transitionKeys } from './keys.ts';
import { permitKeys, WAITER_LEFT_AFTER_MS } from './permits.ts';
import type { Reading } from './reading.ts';
import {
  type Fields,
  fieldsFromList,
  parseGuest,
  parseOperation,
  parseSandbox,
  SCHEMA_VERSION,
} from './records.ts';
import type { Scripts } from './scripts.ts';
import type { BeginTransaction, Transaction, TransactionResult } from './transaction.ts';

export interface LeaseTiming {
  /** How long a claim lasts without renewal. */
  readonly leaseMs: number;
  /** How long after a holder's last check its request may still leave. */
  readonly sendDeadlineMs: number;
}

export interface Claim {
  readonly operation: Operation;
  readonly attempt: Attempt;
  /** As it was when claimed. A `discard` has one only while the sandbox is remembered. */
  readonly sandbox: Sandbox | undefined;
  /** The guest this attempt is about, if there is one yet. */
  readonly guest: Guest | undefined;
  readonly epoch: number;
  /** True when a destroy waits behind this operation. */
  readonly destroyWaits: () => Promise<boolean>;
  renew(): Promise<boolean>;
  /** How many guards `begin` puts first. */
  readonly guards: number;
  /** A transaction that is refused when this claim is no longer the newest, or its attempt was closed. */
  begin(): Transaction;
  /** @throws `ClaimLostError` when refused by one of the guards of `begin`. */
  commit(transaction: Transaction): Promise<readonly unknown[]>;
}

export type ClaimResult =
  | { readonly status: 'claimed'; readonly claim: Claim }
  | { readonly status: 'held'; readonly waitMs: number }
  /** `newer`: written by a newer release, and left untouched for its workers. */
  | { readonly status: 'settled' | 'gone' | 'newer' }
  /** All slots are taken: its place in line, and who has held one longest. */
  | {
      readonly status: 'unslotted';
      readonly place: number;
      readonly oldest: { readonly holder: string; readonly heldForMs: number };
    }
  | { readonly status: 'stale'; readonly currentAttempt: number }
  | { readonly status: 'waiting'; readonly behind: string };

/** Another claim was made, or the operation was settled: whoever meets this stops and writes nothing more. */
export class ClaimLostError extends Error {
  override readonly name = 'ClaimLostError';
}

/** What is claimed; `guestId` only for a `discard`, which is claimed on its guest. */
export type ClaimSubject = Pick<Operation, 'id' | 'kind' | 'sandboxId' | 'guestId'>;

export interface ClaimOptions {
  /**
   * The permit that the operation has to hold: taken with the claim. Whoever asked gives it back, whatever
   * else came of the claim, unless another run of the operation holds it.
   */
  readonly slot?: { readonly name: string; readonly limit: number };
  /** The guest that it will most likely be about: read in the same round trip. */
  readonly likelyGuestId?: string;
  /** For whoever sends nothing and writes at once. Default: the deployment's. */
  readonly leaseMs?: number;
}

export interface Claims {
  /** @param holder unique per run of an attempt */
  claim(subject: ClaimSubject, attempt: number, holder: string, options?: ClaimOptions): Promise<ClaimResult>;
}

export interface ClaimsDeps {
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly reading: Reading;
  readonly begin: BeginTransaction;
  readonly timing: LeaseTiming;
}

export function createClaims(deps: ClaimsDeps): Claims {
  const { keys, scripts, timing } = deps;

  return {
    async claim(operation, attempt, holder, { slot, likelyGuestId, leaseMs = timing.leaseMs } = {}) {
      const subjectKey = subjectKeyOf(keys, operation);
      const during = stateDuring(operation.kind) ?? '';
      const reply = await scripts.run(
        'claim',
        [
          keys.operation(operation.id),
          subjectKey,
          keys.pending(subjectKey),
          keys.operationsDue,
          ...transitionKeys(keys, operation.sandboxId),
          keys.guest(likelyGuestId ?? ''),
          ...(slot ? permitKeys(keys, slot.name) : []),
        ],
        [
          operation.id,
          attempt,
          holder,
          leaseMs,
          timing.sendDeadlineMs,
          during,
          operation.sandboxId,
          ...transitionFacts(),
          slot?.limit ?? '',
          WAITER_LEFT_AFTER_MS,
          SCHEMA_VERSION,
        ],
      );
      return interpretReply(deps, reply as Reply, { subjectKey, holder, attempt });
    },
  };
}

/** What an operation is claimed on. */
export function subjectKeyOf(keys: Keys, operation: Pick<Operation, 'sandboxId' | 'guestId'>): string {
  return operation.guestId === undefined ? keys.sandbox(operation.sandboxId) : keys.guest(operation.guestId);
}

interface ClaimContext {
  readonly subjectKey: string;
  readonly holder: string;
  readonly attempt: number;
}

type Reply = readonly [string, ...unknown[]];

async function interpretReply(
  deps: ClaimsDeps,
  [status, ...rest]: Reply,
  context: ClaimContext,
): Promise<ClaimResult> {
  switch (status) {
    case 'claimed': {
      const [operationFields = {}, subject = {}, guestFields = {}] = (rest as string[][]).map(fieldsFromList);
      const operation = parseOperation(operationFields);
      const sandbox =
        operation.guestId === undefined
          ? parseSandbox(subject)
          : await deps.reading.sandbox(operation.sandboxId);
      return {
        status: 'claimed',
        claim: await buildClaim(deps, context, {
          operation,
          sandbox,
          epoch: Number(subject.epoch),
          likelyGuest: readableGuest(guestFields),
        }),
      };
    }
    case 'held':
      return { status: 'held', waitMs: Number(rest[0]) };
    case 'stale':
      return { status: 'stale', currentAttempt: Number(rest[0]) };
    case 'waiting':
      return { status: 'waiting', behind: String(rest[0]) };
    case 'settled':
    case 'newer':
      return { status };
    case 'unslotted': {
      const [place, , oldest, heldForMs] = rest;
      const longest = { holder: String(oldest), heldForMs: Number(heldForMs) };
      return { status, place: Number(place), oldest: longest };
    }
    default:
      return { status: 'gone' };
  }
}

/** One that cannot be read is read again where it is needed, and what is wrong with it told there. */
function readableGuest(fields: Fields): Guest | undefined {
  try {
    return fields.id === undefined ? undefined : parseGuest(fields);
  } catch {
    return undefined;
  }
}

interface Claimed {
  readonly operation: Operation;
  readonly sandbox: Sandbox | undefined;
  readonly likelyGuest: Guest | undefined;
  readonly epoch: number;
}

async function buildClaim(
  { keys, scripts, reading, begin, timing }: ClaimsDeps,
  { subjectKey, holder, attempt: number }: ClaimContext,
  { operation, sandbox, likelyGuest, epoch }: Claimed,
): Promise<Claim> {
  const attempt = operation.attempts[number - 1];
  if (attempt === undefined) throw new Error(`operation ${operation.id} has no record of attempt ${number}`);
  const guestId = operation.guestId ?? attempt.guestId ?? sandbox?.placement?.guestId;
  const operationKey = keys.operation(operation.id);
  const readGuest = async (id: string) => (likelyGuest?.id === id ? likelyGuest : reading.guest(id));

  return {
    operation,
    attempt,
    sandbox,
    guest: guestId === undefined ? undefined : await readGuest(guestId),
    epoch,
    async destroyWaits() {
      const pending = await reading.pendingOperations(operation.sandboxId);
      return operation.kind !== 'destroy' && pending.some((waiting) => waiting.kind === 'destroy');
    },
    async renew() {
      const reply = await scripts.run(
        'renew',
        [subjectKey, keys.operationsDue],
        [operation.id, epoch, holder, timing.leaseMs, timing.sendDeadlineMs],
      );
      return reply === 1;
    },
    guards: 4,
    begin: () =>
      begin()
        .guardField(subjectKey, 'epoch', epoch)
        .guardField(subjectKey, 'holder', holder)
        .guardField(operationKey, 'state', 'begun')
        .guardField(operationKey, 'attempt', number),
    async commit(transaction) {
      const result: TransactionResult = await transaction.commit();
      if (result.ok) return result.replies;
      throw new ClaimLostError(
        `the claim of ${operation.id}, attempt ${number}, was lost: guard ${result.guard} found "${result.actual}"`,
      );
    },
  };
}
