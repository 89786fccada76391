/** Who holds which claim now, and when the next one came after a holder died or froze. */
import { isSettled, type OperationState } from '../src/core/operation.ts';
import type { Store } from '../src/store/store.ts';

export interface HeldClaim {
  readonly operationId: string;
  /** Host and process id. */
  readonly holder: string;
  readonly epoch: number;
  readonly attempt: number;
}

/** Only unsettled operations have a holder, and the index of due ones holds them all. */
export async function readHeldClaims(store: Store): Promise<readonly HeldClaim[]> {
  const ids = await store.redis.zrange(store.keys.operationsDue, 0, -1);
  const claims = await Promise.all(ids.map((id) => readClaim(store, id)));
  const now = Date.now();
  return claims.flatMap((claim) => {
    if (claim === undefined || !claim.isFirst || claim.leaseUntilMs <= now) return [];
    const { operationId, epoch, attempt } = claim;
    return [{ operationId, epoch, attempt, holder: claim.holder.split(' ')[0] ?? '' }];
  });
}

interface ClaimRecord {
  readonly operationId: string;
  readonly state: OperationState;
  readonly attempt: number;
  readonly claimedAtMs: number | undefined;
  readonly settledAtMs: number | undefined;
  readonly holder: string;
  readonly epoch: number;
  readonly leaseUntilMs: number;
  readonly isFirst: boolean;
}

async function readClaim({ redis, keys }: Store, operationId: string): Promise<ClaimRecord | undefined> {
  const fields = await redis.hgetall(keys.operation(operationId));
  const { state, sandboxId, guestId, attempt = '0', settledAtMs } = fields;
  if (state === undefined || sandboxId === undefined) return undefined;
  const subject = guestId === undefined ? keys.sandbox(sandboxId) : keys.guest(guestId);
  const [lease, first] = await Promise.all([
    redis.hmget(subject, 'holder', 'epoch', 'leaseUntilMs'),
    redis.lindex(keys.pending(subject), 0),
  ]);
  const [holder, epoch, leaseUntilMs] = lease;
  const claimedAtMs = fields[`claimedAtMs:${attempt}`];
  return {
    operationId,
    state: state as OperationState,
    attempt: Number(attempt),
    claimedAtMs: claimedAtMs === undefined ? undefined : Number(claimedAtMs),
    settledAtMs: settledAtMs === undefined ? undefined : Number(settledAtMs),
    holder: holder ?? '',
    epoch: Number(epoch ?? 0),
    leaseUntilMs: Number(leaseUntilMs ?? 0),
    isFirst: first === operationId,
  };
}

export interface Recoveries {
  /** From now on the next claim of each of these operations is looked for. */
  expect(held: readonly HeldClaim[], sinceMs: number): void;
  look(): Promise<void>;
  /** Times from a holder's death or freeze to the next claim, less Redis's absence. */
  readonly samplesMs: readonly number[];
  /** Operations whose next claim has not come. */
  readonly open: () => readonly string[];
}

/** Rescue's own claim only closes the abandoned attempt: what counts is the worker that carries on. */
const RESCUE = 'rescue ';

export function watchRecoveries(store: Store, awayMs: (fromMs: number, toMs: number) => number): Recoveries {
  const awaited = new Map<string, { readonly held: HeldClaim; readonly sinceMs: number }>();
  const samplesMs: number[] = [];

  async function look(): Promise<void> {
    for (const [id, { held, sinceMs }] of [...awaited]) {
      const claimedAtMs = nextClaimAt(await readClaim(store, id), held);
      if (claimedAtMs === undefined) continue;
      awaited.delete(id);
      samplesMs.push(Math.max(0, claimedAtMs - sinceMs - awayMs(sinceMs, claimedAtMs)));
    }
  }

  return {
    samplesMs,
    look,
    open: () => [...awaited.keys()],
    expect(held, sinceMs) {
      // Who loses its next holder too is counted from the first loss.
      for (const claim of held) {
        if (!awaited.has(claim.operationId)) awaited.set(claim.operationId, { held: claim, sinceMs });
      }
    },
  };
}

function nextClaimAt(record: ClaimRecord | undefined, held: HeldClaim): number | undefined {
  if (record === undefined || record.epoch <= held.epoch) return undefined;
  if (isSettled(record.state)) return record.claimedAtMs ?? record.settledAtMs;
  const carriedOn = record.attempt > held.attempt || !record.holder.startsWith(RESCUE);
  return carriedOn ? record.claimedAtMs : undefined;
}
