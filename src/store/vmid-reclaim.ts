/**
 * Gives back VMIDs that nobody will use: a worker that dies between taking one and recording its intent leaves it
 * held by a guest that has no record and never will have one. Nothing was asked for under it then, for the intent
 * is recorded before anything is sent; and whoever gets the id next asks the cluster first all the same.
 */
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import type { BeginTransaction } from './transaction.ts';

/** An intent is recorded seconds after its VMID was taken, under a lease of seconds: a holder this old is dead. */
export const VMID_ORPHANED_MS = 10 * 60_000;
/** Held ids that are looked at in one round trip. */
const BATCH = 200;

export interface ReclaimDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly begin: BeginTransaction;
}

/** May be called any number of times and by several at once. Returns how many were given back. */
export async function reclaimVmids(deps: ReclaimDeps, failureDomain: string): Promise<number> {
  const { redis, keys } = deps;
  const { holders } = keys.vmids(failureDomain);
  const [seconds] = await redis.time();
  const nowMs = Number(seconds) * 1_000;
  let reclaimed = 0;
  let cursor = '0';
  do {
    const [next, flat] = await redis.hscan(holders, cursor, 'COUNT', BATCH);
    reclaimed += await reclaimSome(deps, failureDomain, flat, nowMs);
    cursor = next;
  } while (cursor !== '0');
  return reclaimed;
}

async function reclaimSome(
  { redis, keys, begin }: ReclaimDeps,
  failureDomain: string,
  flat: readonly string[],
  nowMs: number,
): Promise<number> {
  const { holders, byGuest } = keys.vmids(failureDomain);
  const held = flat.flatMap((vmid, at) => (at % 2 === 0 ? [parseHolder(vmid, flat[at + 1] ?? '')] : []));
  const pipeline = redis.pipeline();
  for (const { guestId } of held) pipeline.exists(keys.guest(guestId));
  const replies = (await pipeline.exec()) ?? [];
  let reclaimed = 0;
  for (const [at, { vmid, guestId, value, sinceMs }] of held.entries()) {
    const [error, exists] = replies[at] ?? [];
    if (error) throw error;
    if (exists === 1) continue;
    const transaction = begin().guardAbsent(keys.guest(guestId)).guardField(holders, vmid, value);
    if (sinceMs === undefined) {
      // Written by an earlier release: its time begins now.
      await transaction.command('HSET', holders, vmid, `${guestId}|${nowMs}`).commit();
    } else if (nowMs - sinceMs > VMID_ORPHANED_MS) {
      transaction.command('HDEL', holders, vmid).command('HDEL', byGuest, guestId);
      if ((await transaction.commit()).ok) reclaimed += 1;
    }
  }
  return reclaimed;
}

/** `<guest id>|<when it was taken, ms>`; without the time from earlier releases and for guests that were found. */
function parseHolder(vmid: string, value: string) {
  const [guestId = '', since] = value.split('|');
  return { vmid, value, guestId, sinceMs: since === undefined ? undefined : Number(since) };
}
