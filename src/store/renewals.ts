/**
 * Running guests whose provider pauses them by a TTL of its own, by when it is to be renewed: written in the
 * transactions that make a guest run, and taken out when it does not run any more.
 */
import type { Redis } from 'ioredis';
import type { Guest, GuestRef } from '../core/guest.ts';
import { HAS_OWN_TTL } from '../core/provider-name.ts';
import type { Sandbox } from '../core/sandbox.ts';
import type { GuestFate } from './guest-fate.ts';
import type { Keys } from './keys.ts';
import type { BeginTransaction, Transaction } from './transaction.ts';

export interface Renewals {
  /** Guest ids, the most overdue first. */
  due(nowMs: number, limit: number): Promise<readonly string[]>;
  /** Only while it is in the index: one that stopped running meanwhile does not come back. */
  postpone(guestId: string, atMs: number): Promise<void>;
  /** Those that run and are not in the index; with `at_once` those whose settings are not as they should be. */
  remind(guestIds: readonly string[], when: 'if_missing' | 'at_once', nowMs: number): Promise<void>;
  /** It does not run here any more. Nothing when its sandbox changed since it was read. */
  drop(guestId: string, sandbox: Pick<Sandbox, 'id' | 'version'> | undefined): Promise<void>;
}

/** Ids per command: some 20 kB. */
const BATCH = 500;

export function createRenewals({
  redis,
  keys,
  begin,
}: {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly begin: BeginTransaction;
}): Renewals {
  return {
    due: (nowMs, limit) => redis.zrange(keys.guestsRenew, '-inf', nowMs, 'BYSCORE', 'LIMIT', 0, limit),
    async postpone(guestId, atMs) {
      await redis.zadd(keys.guestsRenew, 'XX', atMs, guestId);
    },
    async remind(guestIds, when, nowMs) {
      for (let from = 0; from < guestIds.length; from += BATCH) {
        const members = guestIds.slice(from, from + BATCH).flatMap((id) => [nowMs, id]);
        if (when === 'if_missing') await redis.zadd(keys.guestsRenew, 'NX', ...members);
        else await redis.zadd(keys.guestsRenew, 'LT', ...members);
      }
    },
    async drop(guestId, sandbox) {
      const transaction = begin();
      if (sandbox) transaction.guardField(keys.sandbox(sandbox.id), 'version', sandbox.version);
      await transaction.command('ZREM', keys.guestsRenew, guestId).commit();
    },
  };
}

/** In the transaction that settles an operation. */
export function keepRenewed(
  transaction: Transaction,
  keys: Keys,
  guest: Guest | undefined,
  {
    sandbox,
    guestFate,
    renewAtMs,
  }: {
    readonly sandbox?: Pick<Sandbox, 'state'>;
    readonly guestFate: GuestFate;
    readonly renewAtMs?: number;
  },
  nowMs: number,
): void {
  if (guest === undefined || !HAS_OWN_TTL[guest.provider]) return;
  const isKept = guestFate === 'keep' || guestFate === 'carry';
  if (!isKept || (sandbox && sandbox.state !== 'running')) {
    transaction.command('ZREM', keys.guestsRenew, guest.id);
  } else if (sandbox) {
    transaction.command('ZADD', keys.guestsRenew, renewAtMs ?? nowMs, guest.id);
  } else if (renewAtMs !== undefined) {
    transaction.command('ZADD', keys.guestsRenew, 'XX', renewAtMs, guest.id);
  }
}

/** Its record was made anew, and nobody knows how much of its TTL is left. */
export function renewSoon(
  transaction: Transaction,
  keys: Keys,
  { guestId, provider }: GuestRef,
  nowMs: number,
): void {
  if (HAS_OWN_TTL[provider]) transaction.command('ZADD', keys.guestsRenew, nowMs, guestId);
}
