/** Who holds which claim now. */
import type { OperationState } from '../src/core/operation.ts';
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

/** An operation, and the lease of its subject. */
export interface ClaimRecord {
  readonly operationId: string;
  readonly kind: string;
  readonly state: OperationState;
  readonly attempt: number;
  readonly claimedAtMs: number | undefined;
  readonly settledAtMs: number | undefined;
  readonly holder: string;
  readonly epoch: number;
  readonly leaseUntilMs: number;
  readonly isFirst: boolean;
}

export async function readClaim(
  { redis, keys }: Store,
  operationId: string,
): Promise<ClaimRecord | undefined> {
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
    kind: fields.kind ?? '',
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
