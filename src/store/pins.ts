/**
 * Background decisions and the activity that crosses them. A pinned operation's first request is let go only by a
 * write that finds the activity sequence as it was when the decision was made. Activity that is acknowledged
 * later, but before a pinned pause settles, makes the settling transaction itself submit a resume. Whoever joins
 * takes the pin away: a pause that a caller wanted is never undone by activity.
 */
import { isHousekeeping, type Pin } from '../core/operation.ts';
import { createSortableId } from '../platform/ids.ts';
import {
  type AfterSettling,
  addSettlement,
  afterSettling,
  askWhatFollows,
  type Settlement,
  settle,
} from './attempt-endings.ts';
import { type Claim, ClaimLostError } from './claims.ts';
import type { Keys } from './keys.ts';
import type { Reading } from './reading.ts';
import { writeOperation } from './submission.ts';
import type { Transaction } from './transaction.ts';

export interface Pins {
  /**
   * The right to let the first request of a pinned operation go; once given it stays given. `broken`: there was
   * activity, and nothing may be sent.
   */
  takeSendRight(claim: Claim, nowMs: number): Promise<'sent' | 'broken'>;
  /** Settles as superseded; `joined`: a caller wants it by now, so that it has to be carried out. */
  supersede(claim: Claim, settlement: Settlement, nowMs: number): Promise<'joined' | AfterSettling>;
  /** Settles any operation. */
  settle(claim: Claim, settlement: Settlement, nowMs: number): Promise<AfterSettling>;
}

/** Who resumes what activity found being paused; shown wherever people ask who asked. */
export const RESUMED_BY = 'activity during the pause';

/** Each lost race is a write of somebody else; one sandbox does not have twenty within milliseconds. */
const MAX_CONFLICTS = 20;
/** As for a resume that a caller asks for. */
const RESUME_DEADLINE_MS = 15 * 60_000;

export function createPins(keys: Keys, reading: Reading): Pins {
  const alreadySent = async ({ operation }: Claim) =>
    (await reading.operation(operation.id))?.sentAtMs !== undefined;

  return {
    async takeSendRight(claim, nowMs) {
      const { pin } = claim.operation;
      if (pin === undefined || claim.operation.sentAtMs !== undefined) return 'sent';
      const sent = (transaction: Transaction) =>
        transaction.setFields(keys.operation(claim.operation.id), { sentAtMs: nowMs });
      for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts += 1) {
        const guarded = await attempt(
          claim,
          sent(guardQuiet(guardPinned(claim, keys, pin), keys, claim, pin)),
        );
        if (guarded.ok) return 'sent';
        if (guarded.refusedBy === 'quiet') return (await alreadySent(claim)) ? 'sent' : 'broken';
        const joined = await attempt(claim, sent(guardJoined(claim, keys)));
        if (joined.ok) return 'sent';
      }
      throw new ClaimLostError(`the pin of ${claim.operation.id} kept changing`);
    },

    async supersede(claim, settlement, nowMs) {
      const { pin } = claim.operation;
      if (pin === undefined) return 'joined';
      const transaction = addSettlement(guardPinned(claim, keys, pin), keys, claim, settlement, nowMs);
      const written = await attempt(claim, askWhatFollows(transaction, keys, claim));
      return written.ok ? afterSettling(written.replies) : 'joined';
    },

    async settle(claim, settlement, nowMs) {
      const { kind, pin } = claim.operation;
      const paused = kind === 'pause' && settlement.sandbox?.state === 'paused';
      if (pin === undefined || !paused) return settle(keys, claim, settlement, nowMs);
      return settlePause(keys, reading, claim, pin, settlement, nowMs);
    },
  };
}

async function settlePause(
  keys: Keys,
  reading: Reading,
  claim: Claim,
  pin: Pin,
  settlement: Settlement,
  nowMs: number,
): Promise<AfterSettling> {
  const { operation } = claim;
  const settled = (transaction: Transaction) => addSettlement(transaction, keys, claim, settlement, nowMs);
  for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts += 1) {
    const quiet = settled(guardQuiet(guardPinned(claim, keys, pin), keys, claim, pin));
    const written = await attempt(claim, askWhatFollows(quiet, keys, claim));
    if (written.ok) return afterSettling(written.replies);
    if (written.refusedBy === 'pinned') return settle(keys, claim, settlement, nowMs);

    const sandbox = await reading.sandbox(operation.sandboxId);
    const behind = (await reading.pendingOperations(operation.sandboxId)).filter(
      ({ id, kind }) => id !== operation.id && !isHousekeeping(kind),
    );
    // What callers have put into the line since says better what is to become of it.
    if (sandbox === undefined || behind.length > 0) return settle(keys, claim, settlement, nowMs);
    const crossed = settled(
      guardPinned(claim, keys, pin).guardField(keys.sandbox(sandbox.id), 'version', sandbox.version),
    );
    submitResume(crossed, keys, operation.sandboxId, nowMs);
    const resumed = await attempt(claim, askWhatFollows(crossed, keys, claim));
    if (resumed.ok) return afterSettling(resumed.replies);
  }
  throw new ClaimLostError(`the record of ${operation.sandboxId} kept changing while its pause settled`);
}

function submitResume(transaction: Transaction, keys: Keys, sandboxId: string, nowMs: number): void {
  const resume = {
    id: createSortableId('op', nowMs),
    kind: 'resume' as const,
    sandboxId,
    options: { onLostMemory: 'fail' as const },
    route: { candidates: [], leftOut: [] },
    requestedBy: RESUMED_BY,
    createdAtMs: nowMs,
    deadlineAtMs: nowMs + RESUME_DEADLINE_MS,
  };
  // Without an attempt: it is opened like that of any operation which comes to the head of its line.
  writeOperation(transaction, keys, keys.sandbox(sandboxId), resume, undefined);
}

type Written =
  | { readonly ok: true; readonly replies: readonly unknown[] }
  | { readonly ok: false; readonly refusedBy: 'pinned' | 'quiet' };

/** Guards of every write under a claim come first, then the pin's, then that nobody did anything. */
async function attempt(claim: Claim, transaction: Transaction): Promise<Written> {
  const result = await transaction.commit();
  if (result.ok) return result;
  if (result.guard < claim.guards) {
    throw new ClaimLostError(`the claim of ${claim.operation.id} was lost: found "${result.actual}"`);
  }
  return { ok: false, refusedBy: result.guard === claim.guards ? 'pinned' : 'quiet' };
}

function guardPinned(claim: Claim, keys: Keys, pin: Pin): Transaction {
  const key = keys.operation(claim.operation.id);
  return claim.begin().guardField(key, 'pinnedActivity', pin.activitySequence);
}

function guardJoined(claim: Claim, keys: Keys): Transaction {
  return claim.begin().guardField(keys.operation(claim.operation.id), 'pinnedActivity', '');
}

function guardQuiet(transaction: Transaction, keys: Keys, { operation }: Claim, pin: Pin): Transaction {
  // A sandbox of which nothing is known has no field yet.
  const expected = pin.activitySequence === 0 ? '' : pin.activitySequence;
  return transaction.guardField(keys.activity(operation.sandboxId), 'sequence', expected);
}
