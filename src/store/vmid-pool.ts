import type { Redis } from 'ioredis';
import type { Guest } from '../core/guest.ts';
import { type VmidPool, VmidRangeExhausted } from '../core/ports.ts';
import type { Keys } from './keys.ts';
import type { Scripts } from './scripts.ts';
import type { BeginTransaction, Transaction } from './transaction.ts';
import { reclaimVmids } from './vmid-reclaim.ts';

/** A VMID whose guest was proved gone rests this long: somebody may still hold its name in a cache. */
export const VMID_COOL_DOWN_MS = 10 * 60_000;
/** An id found in somebody else's hands is left alone this long; the cluster is asked again after. */
const FOREIGN_COOL_DOWN_MS = 24 * 60 * 60_000;

export interface VmidPoolOptions {
  readonly failureDomain: string;
  readonly first: number;
  readonly last: number;
  /** Deployments on one cluster begin at different places, so that they seldom meet. */
  readonly installId: string;
  readonly nowMs: () => number;
}

/** @throws `VmidRangeExhausted` from `reserve` when every id of the range is held or cooling down. */
export function createVmidPool(
  deps: {
    readonly redis: Redis;
    readonly keys: Keys;
    readonly scripts: Scripts;
    readonly begin: BeginTransaction;
  },
  { failureDomain, first, last, installId, nowMs }: VmidPoolOptions,
): VmidPool {
  const keys = deps.keys.vmids(failureDomain);
  const size = last - first + 1;
  const start = first + (Number.parseInt(installId.slice(0, 8), 16) % size);

  const take = async (guestId: string) =>
    Number(
      await deps.scripts.run(
        'reserve-vmid',
        [keys.cursor, keys.holders, keys.byGuest, keys.cooling],
        [guestId, first, last, start],
      ),
    );

  return {
    async reserve(guestId) {
      let vmid = await take(guestId);
      if (vmid === 0 && (await reclaimVmids(deps, failureDomain)) > 0) vmid = await take(guestId);
      if (vmid === 0) {
        throw new VmidRangeExhausted(
          `no VMID left in ${first}-${last}: widen PVE_VMID_RANGE or remove guests`,
        );
      }
      return vmid;
    },

    async reject(guestId, vmid) {
      await deps
        .begin()
        .guardField(keys.byGuest, guestId, vmid)
        .command('HDEL', keys.byGuest, guestId)
        .command('HDEL', keys.holders, vmid)
        .command('ZADD', keys.cooling, nowMs() + FOREIGN_COOL_DOWN_MS, vmid)
        .commit();
    },

    async giveBack(guestId) {
      const vmid = await deps.redis.hget(keys.byGuest, guestId);
      if (vmid === null) return;
      await deps
        .begin()
        .guardField(keys.byGuest, guestId, vmid)
        .command('HDEL', keys.byGuest, guestId)
        .command('HDEL', keys.holders, vmid)
        .commit();
    },
  };
}

/** In the transaction that finds the guest gone. */
export function releaseVmid(
  transaction: Transaction,
  keys: Keys,
  { id, intent }: Guest,
  nowMs: number,
): void {
  if (intent.vmid === undefined) return;
  const vmids = keys.vmids(intent.failureDomain);
  transaction
    .command('HDEL', vmids.holders, intent.vmid)
    .command('HDEL', vmids.byGuest, id)
    // GT: an id that was found in somebody else's hands keeps its longer rest.
    .command('ZADD', vmids.cooling, 'GT', nowMs + VMID_COOL_DOWN_MS, intent.vmid);
}
