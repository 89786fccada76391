/**
 * What reconciliation reads and writes: many records at once, and guests that no attempt answers for. None of
 * its writes touches a guest at a provider, and each is refused when what it was decided on has changed since.
 */
import type { Redis } from 'ioredis';
import type { ReconcileAct } from '../core/events.ts';
import type { Guest, GuestRef } from '../core/guest.ts';
import { accountOf } from '../core/ledger.ts';
import type { Marker } from '../core/marker.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { Sandbox } from '../core/sandbox.ts';
import { bill } from './billing.ts';
import { freeMemory } from './capacity-book.ts';
import { emit } from './events.ts';
import { GUEST_RETENTION_MS, type Keys } from './keys.ts';
import { type Fields, parseGuest, parseSandbox, SCHEMA_VERSION } from './records.ts';
import { renewSoon } from './renewals.ts';
import type { BeginTransaction, Transaction } from './transaction.ts';
import { releaseVmid } from './vmid-pool.ts';

export interface Records<T> {
  readonly found: ReadonlyMap<string, T>;
  /** Written by a newer release, say: nothing may be concluded about these. */
  readonly unreadable: ReadonlySet<string>;
}

export interface FoundGuest {
  readonly ref: GuestRef;
  readonly marker: Marker;
  readonly failureDomain: string;
}

export interface Inventory {
  guests(ids: readonly string[]): Promise<Records<Guest>>;
  sandboxes(ids: readonly string[]): Promise<Records<Sandbox>>;
  /** Which of these have an operation under way or waiting. */
  busy(sandboxIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** How many attempts each of these operations has; those that are not known are left out. */
  attempts(operationIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** A guest of ours that no record answers for. False: there is a record by now. */
  recordUnowned(found: FoundGuest, receipt: string, nowMs: number): Promise<boolean>;
  /** The record of the guest that this sandbox points to, made anew. */
  adopt(found: FoundGuest, sandbox: Sandbox, receipt: string, nowMs: number): Promise<boolean>;
  /** From now on it is left alone. False: guest or sandbox changed since they were read. */
  disown(guest: Guest, sandbox: Sandbox | undefined, receipt: string, nowMs: number): Promise<boolean>;
  /** An unowned guest that was proved absent. */
  forgetUnowned(guest: Guest, nowMs: number): Promise<boolean>;
  /** Makes sure that the sweep which removes condemned guests sees this one. */
  remindOfCondemned(guestId: string, nowMs: number): Promise<void>;
  /** Keeps the evidence of a decision that leads to an operation. */
  note(guest: Guest, act: ReconcileAct, receipt: string, nowMs: number): Promise<void>;
  /** Guests that were seen since then and are not ours. */
  foreign(provider: ProviderName, sinceMs: number): Promise<ReadonlySet<string>>;
  rememberForeign(provider: ProviderName, name: string, nowMs: number): Promise<void>;
  /** Whose marker was read last; '' at first. */
  lastRead(provider: ProviderName): Promise<string>;
  setLastRead(provider: ProviderName, guestId: string): Promise<void>;
  /** The longest known first. */
  unowned(limit: number): Promise<readonly Guest[]>;
}

/** Records per round trip: some 250 kB. */
const BATCH = 200;

interface Deps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly begin: BeginTransaction;
}

export function createInventory({ redis, keys, begin }: Deps): Inventory {
  const writing = { keys, begin };
  const guests = (ids: readonly string[]) => readRecords(redis, ids, keys.guest, parseGuest);

  return {
    guests,
    sandboxes: (ids) => readRecords(redis, ids, keys.sandbox, parseSandbox),

    async busy(sandboxIds) {
      const lengths = await inBatches(redis, sandboxIds, (pipeline, id) =>
        pipeline.llen(keys.pending(keys.sandbox(id))),
      );
      return new Set(sandboxIds.filter((_id, at) => Number(lengths[at]) > 0));
    },

    async attempts(operationIds) {
      const counts = await inBatches(redis, operationIds, (pipeline, id) =>
        pipeline.hget(keys.operation(id), 'attempt'),
      );
      return new Map(
        operationIds.flatMap((id, at) => (counts[at] === null ? [] : [[id, Number(counts[at])] as const])),
      );
    },

    async recordUnowned(found, receipt, nowMs) {
      const transaction = beginRecord(writing, found, 'unowned', receipt, nowMs);
      transaction.command('ZADD', keys.guestsUnowned, nowMs, found.ref.guestId);
      billSeen(transaction, keys, guestOf(found), nowMs);
      emitAct(transaction, keys, subjectOf(found), 'unowned', receipt, nowMs);
      return (await transaction.commit()).ok;
    },

    async adopt(found, sandbox, receipt, nowMs) {
      const transaction = beginRecord(writing, found, 'live', receipt, nowMs);
      transaction.guardField(keys.sandbox(sandbox.id), 'version', sandbox.version);
      if (sandbox.state === 'running') renewSoon(transaction, keys, found.ref, nowMs);
      emitAct(transaction, keys, subjectOf(found), 'adopted', receipt, nowMs);
      return (await transaction.commit()).ok;
    },

    async disown(guest, sandbox, receipt, nowMs) {
      const sandboxKey = keys.sandbox(guest.sandboxId);
      const transaction = begin().guardField(keys.guest(guest.id), 'state', guest.state);
      if (sandbox) transaction.guardField(sandboxKey, 'version', sandbox.version);
      else transaction.guardAbsent(sandboxKey);
      transaction
        .setFields(keys.guest(guest.id), { state: 'unowned', cause: receipt })
        .command('PERSIST', keys.guest(guest.id))
        .command('ZREM', keys.guestsCondemned, guest.id)
        .command('ZADD', keys.guestsOf(guest.provider), 'NX', nowMs, guest.id)
        .command('ZADD', keys.guestsUnowned, nowMs, guest.id);
      holdVmid(transaction, keys, guest);
      billSeen(transaction, keys, guest, nowMs);
      emitAct(transaction, keys, guest, 'unowned', receipt, nowMs);
      return (await transaction.commit()).ok;
    },

    async forgetUnowned(guest, nowMs) {
      const key = keys.guest(guest.id);
      const transaction = begin()
        .guardField(key, 'state', 'unowned')
        .setFields(key, { state: 'gone' })
        .command('ZREM', keys.guestsUnowned, guest.id)
        .command('ZREM', keys.guestsOf(guest.provider), guest.id)
        .command('PEXPIRE', key, GUEST_RETENTION_MS);
      releaseVmid(transaction, keys, guest, nowMs);
      freeMemory(transaction, keys, guest);
      bill(transaction, keys, accountOf(guest), { state: 'ended', atMs: nowMs, evidence: 'clock' });
      emitAct(transaction, keys, guest, 'forgotten', 'it was unowned, and is proved absent', nowMs);
      return (await transaction.commit()).ok;
    },

    async remindOfCondemned(guestId, nowMs) {
      await redis.zadd(keys.guestsCondemned, 'NX', nowMs, guestId);
    },

    async note(guest, act, receipt, nowMs) {
      const transaction = begin();
      emitAct(transaction, keys, guest, act, receipt, nowMs);
      await transaction.commit();
    },

    ...rememberLooks(redis, keys),

    async unowned(limit) {
      const ids = await redis.zrange(keys.guestsUnowned, 0, limit - 1);
      const { found } = await guests(ids);
      return ids.flatMap((id) => found.get(id) ?? []);
    },
  };
}

/** What was read at a provider and need not be read again soon. */
function rememberLooks(
  redis: Redis,
  keys: Keys,
): Pick<Inventory, 'foreign' | 'rememberForeign' | 'lastRead' | 'setLastRead'> {
  return {
    async foreign(provider, sinceMs) {
      await redis.zremrangebyscore(keys.guestsForeign(provider), '-inf', sinceMs);
      return new Set(await redis.zrange(keys.guestsForeign(provider), 0, -1));
    },
    async rememberForeign(provider, name, nowMs) {
      await redis.zadd(keys.guestsForeign(provider), nowMs, name);
    },
    async lastRead(provider) {
      return (await redis.hget(keys.guestsRead, provider)) ?? '';
    },
    async setLastRead(provider, guestId) {
      await redis.hset(keys.guestsRead, provider, guestId);
    },
  };
}

/** Somebody pays for it, from when it was seen. */
function billSeen(transaction: Transaction, keys: Keys, guest: Guest, nowMs: number): void {
  bill(transaction, keys, accountOf(guest), { state: 'unowned', atMs: nowMs, evidence: 'clock' });
}

function guestOf({ ref, marker, failureDomain }: FoundGuest): Guest {
  return {
    id: ref.guestId,
    sandboxId: marker.sandbox,
    state: 'unowned',
    provider: ref.provider,
    intent: intentOf(ref, marker, failureDomain),
    ref,
    createdByOperation: marker.operation,
  };
}

type Subject = Pick<Guest, 'id' | 'sandboxId' | 'provider'>;

function subjectOf({ ref, marker }: FoundGuest): Subject {
  return { id: ref.guestId, sandboxId: marker.sandbox, provider: ref.provider };
}

function emitAct(
  transaction: Transaction,
  keys: Keys,
  { id, sandboxId, provider }: Subject,
  act: ReconcileAct,
  receipt: string,
  nowMs: number,
): void {
  emit(transaction, keys, 'guest.reconciled', nowMs, { sandboxId, guestId: id, provider, act, receipt });
}

/** Only what the marker tells can be known of it; where it lies was seen. */
function beginRecord(
  { keys, begin }: Pick<Deps, 'keys' | 'begin'>,
  { ref, marker, failureDomain }: FoundGuest,
  state: 'unowned' | 'live',
  receipt: string,
  nowMs: number,
): Transaction {
  const intent = intentOf(ref, marker, failureDomain);
  const transaction = begin()
    .guardAbsent(keys.guest(ref.guestId))
    .setFields(keys.guest(ref.guestId), {
      id: ref.guestId,
      schemaVersion: SCHEMA_VERSION,
      sandboxId: marker.sandbox,
      state,
      provider: ref.provider,
      intent: JSON.stringify(intent),
      ref: JSON.stringify(ref),
      createdByOperation: marker.operation,
      createdAtMs: nowMs,
      // It exists, so its create was sent; when, nobody remembers.
      sentAtMs: 0,
      cause: receipt,
    })
    .command('ZADD', keys.guestsOf(ref.provider), nowMs, ref.guestId);
  holdVmid(transaction, keys, { id: ref.guestId, intent });
  return transaction;
}

export function intentOf(ref: GuestRef, marker: Marker, failureDomain: string): Guest['intent'] {
  return {
    provider: ref.provider,
    guestId: ref.guestId,
    failureDomain,
    source: '',
    ...(ref.node === undefined ? {} : { node: ref.node }),
    ...(marker.vmid === undefined ? {} : { vmid: marker.vmid }),
    marker,
    metadata: {},
  };
}

/** So that the pool does not offer its VMID to anybody else. */
export function holdVmid(
  transaction: Transaction,
  keys: Keys,
  { id, intent }: Pick<Guest, 'id' | 'intent'>,
): void {
  if (intent.vmid === undefined) return;
  const vmids = keys.vmids(intent.failureDomain);
  transaction
    .command('HSET', vmids.holders, intent.vmid, id)
    .command('HSET', vmids.byGuest, id, intent.vmid)
    .command('ZREM', vmids.cooling, intent.vmid);
}

async function readRecords<T>(
  redis: Redis,
  ids: readonly string[],
  keyOf: (id: string) => string,
  parse: (fields: Fields) => T,
): Promise<Records<T>> {
  const replies = await inBatches(redis, ids, (pipeline, id) => pipeline.hgetall(keyOf(id)));
  const found = new Map<string, T>();
  const unreadable = new Set<string>();
  for (const [at, id] of ids.entries()) {
    const fields = replies[at] as Fields;
    if (Object.keys(fields).length === 0) continue;
    try {
      found.set(id, parse(fields));
    } catch {
      unreadable.add(id);
    }
  }
  return { found, unreadable };
}

/** One command per id, a bounded number per round trip; replies in the order of the ids. */
async function inBatches(
  redis: Redis,
  ids: readonly string[],
  add: (pipeline: ReturnType<Redis['pipeline']>, id: string) => unknown,
): Promise<readonly unknown[]> {
  const replies: unknown[] = [];
  for (let from = 0; from < ids.length; from += BATCH) {
    const pipeline = redis.pipeline();
    for (const id of ids.slice(from, from + BATCH)) add(pipeline, id);
    for (const [error, reply] of (await pipeline.exec()) ?? []) {
      if (error) throw error;
      replies.push(reply);
    }
  }
  return replies;
}
