import type { Redis } from 'ioredis';
import type { Guest } from '../core/guest.ts';
import type { CapacityBook, MemoryReservation } from '../core/ports.ts';
import type { Keys } from './keys.ts';
import type { Scripts } from './scripts.ts';
import type { Transaction } from './transaction.ts';

/** Longer than any resume takes; a crash in between blocks the memory for no longer. */
const TENTATIVE_MS = 10 * 60_000;

export function createCapacityBook({
  redis,
  keys,
  scripts,
}: {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
}): CapacityBook {
  return {
    async reservations(failureDomain) {
      const entries = await redis.hgetall(keys.capacity(failureDomain));
      const now = Date.now();
      return Object.entries(entries).flatMap(([guestId, value]) => {
        const { untilMs, ...reservation } = parseReservation(guestId, value);
        return untilMs === 0 || untilMs >= now ? [reservation] : [];
      });
    },

    async reserve(failureDomain, { guestId, node, vmid, memoryMib }, { limitMib, othersMib }) {
      const reply = await scripts.run(
        'reserve-memory',
        [keys.capacity(failureDomain)],
        [guestId, node, vmid, memoryMib, Math.floor(limitMib), Math.ceil(othersMib), TENTATIVE_MS],
      );
      return reply === 1;
    },

    async release(failureDomain, guestId) {
      const key = keys.capacity(failureDomain);
      const value = await redis.hget(key, guestId);
      if (value !== null && parseReservation(guestId, value).untilMs !== 0) await redis.hdel(key, guestId);
    },
  };
}

function parseReservation(guestId: string, value: string): MemoryReservation & { readonly untilMs: number } {
  const [node = '', vmid, memoryMib, untilMs] = value.split('|');
  return { guestId, node, vmid: Number(vmid), memoryMib: Number(memoryMib), untilMs: Number(untilMs) };
}

/** Makes a guest's reservation firm, in the transaction that makes it run or means to. */
export function keepMemory(transaction: Transaction, keys: Keys, { id, intent, ref }: Guest): void {
  const node = ref?.node ?? intent.node;
  if (node === undefined || intent.vmid === undefined || intent.memoryMib === undefined) return;
  const value = [node, intent.vmid, intent.memoryMib, 0].join('|');
  transaction.command('HSET', keys.capacity(intent.failureDomain), id, value);
}

/** Frees a guest's memory, in the transaction that pauses it or finds it gone. */
export function freeMemory(transaction: Transaction, keys: Keys, { id, intent }: Guest): void {
  if (intent.memoryMib === undefined) return;
  transaction.command('HDEL', keys.capacity(intent.failureDomain), id);
}
