/**
 * The one way records are written: a set of guards and a list of commands that Redis carries out together
 * or not at all (`scripts/transact.lua`). Records never change but through this and through a claim.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Room } from '../core/budget-room.ts';
import { type Keys, REPLY_RETENTION_MS } from './keys.ts';
import type { Scripts } from './scripts.ts';

type Argument = string | number;

export interface Transaction {
  guardAbsent(key: string): Transaction;
  /** `expected` of `''` also accepts a missing field. */
  guardField(key: string, field: string, expected: Argument): Transaction;
  guardFirst(listKey: string, expected: string): Transaction;
  /** Holds while every limited budget has room; else `actual` names the one that has none. */
  guardRoom(key: string, room: Pick<Room, 'month' | 'limits'>): Transaction;
  /** Sets the fields that are given; `undefined` leaves a field alone, `null` removes it. */
  setFields(key: string, fields: Readonly<Record<string, Argument | null | undefined>>): Transaction;
  command(name: string, key: string, ...args: readonly Argument[]): Transaction;
  /** What follows from a change of a sandbox's state; see `scripts/record-transition.lua`. */
  transition(keys: readonly string[], facts: readonly Argument[]): Transaction;
  /** Closes and opens intervals of the ledger; see `scripts/record-interval.lua`. */
  bill(keys: readonly string[], facts: readonly Argument[]): Transaction;
  commit(): Promise<TransactionResult>;
}

export type TransactionResult =
  | { readonly ok: true; readonly replies: readonly unknown[] }
  /** Index of the guard that did not hold, in the order they were added, and what was there instead. */
  | { readonly ok: false; readonly guard: number; readonly actual: string };

/** Begins an empty transaction; nothing is sent before its `commit`. */
export type BeginTransaction = () => Transaction;

const resultSchema = z.discriminatedUnion('ok', [
  // An empty Lua table is `{}` in JSON.
  z.object({
    ok: z.literal(true),
    replies: z.union([z.array(z.unknown()), z.object({}).transform(() => [])]),
  }),
  z.object({ ok: z.literal(false), guard: z.number(), actual: z.string() }),
]);

export function createTransactions(keys: Keys, scripts: Scripts): BeginTransaction {
  return () => beginTransaction(keys, scripts);
}

function beginTransaction(deploymentKeys: Keys, scripts: Scripts): Transaction {
  const id = randomUUID();
  const keys: string[] = [];
  const guards: unknown[] = [];
  const commands: unknown[] = [];

  /** Position in the script's KEYS, where 1 is the answer's key. */
  function indexOf(key: string): number {
    const known = keys.indexOf(key);
    return known >= 0 ? known + 2 : keys.push(key) + 1;
  }

  const transaction: Transaction = {
    guardAbsent(key) {
      guards.push(['absent', indexOf(key)]);
      return transaction;
    },
    guardField(key, field, expected) {
      guards.push(['field', indexOf(key), field, String(expected)]);
      return transaction;
    },
    guardFirst(listKey, expected) {
      guards.push(['first', indexOf(listKey), expected]);
      return transaction;
    },
    guardRoom(key, { month, limits }) {
      const each = limits.map(({ name, limitMicroUsd, addsMicroUsd }) => [name, limitMicroUsd, addsMicroUsd]);
      guards.push(['room', indexOf(key), month, each]);
      return transaction;
    },
    setFields(key, fields) {
      const set: Argument[] = [];
      const removed: string[] = [];
      for (const [field, value] of Object.entries(fields)) {
        if (value === null) removed.push(field);
        else if (value !== undefined) set.push(field, value);
      }
      if (set.length > 0) transaction.command('HSET', key, ...set);
      if (removed.length > 0) transaction.command('HDEL', key, ...removed);
      return transaction;
    },
    command(name, key, ...args) {
      commands.push([name, indexOf(key), ...args.map(String)]);
      return transaction;
    },
    transition(transitionKeys, facts) {
      commands.push(['transition', transitionKeys.map(indexOf), facts.map(String)]);
      return transaction;
    },
    bill(ledgerKeys, facts) {
      commands.push(['bill', ledgerKeys.map(indexOf), facts.map(String)]);
      return transaction;
    },
    async commit() {
      const reply = await scripts.run(
        'transact',
        [deploymentKeys.reply(id), ...keys],
        [REPLY_RETENTION_MS, JSON.stringify(guards), JSON.stringify(commands)],
      );
      return resultSchema.parse(JSON.parse(String(reply)));
    },
  };
  return transaction;
}
