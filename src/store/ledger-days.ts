/**
 * One day of the ledger as tables: time by everything that costs are grouped by (`usage`), time by guest
 * (`guests`, `accounts`), and the intervals themselves, cut at midnight (`pieces`). Prices are not in them.
 */
import { z } from 'zod';
import { DAY_MS, type Day, splitByDay } from '../core/day.ts';
import type { LedgerAccount, LedgerEntry } from '../core/ledger.ts';
import { BILLING_STATES, type BillingState } from '../core/price-book.ts';
import { PROVIDER_NAMES } from '../core/provider-name.ts';
import type { UsageRow } from '../core/usage.ts';
import { decodeAccount, encodeAccount } from './ledger-encoding.ts';
import { appendMeantFor, meantForBehind } from './meant-for.ts';
import type { Fields } from './records.ts';

export interface DayTables {
  readonly day: Day;
  readonly usage: ReadonlyMap<string, number>;
  readonly guests: ReadonlyMap<string, number>;
  readonly accounts: ReadonlyMap<string, string>;
  /** One line each: `guest|state|from|to`, both in ms since midnight. */
  readonly pieces: readonly string[];
}

export function tabulate(entries: readonly LedgerEntry[]): readonly DayTables[] {
  const days = new Map<Day, ReturnType<typeof emptyDay>>();
  for (const { account, state, fromMs, toMs } of entries) {
    const encoded = encodeAccount(account);
    const field = usageField(account, state);
    for (const part of splitByDay(fromMs, toMs)) {
      const tables = days.get(part.day) ?? emptyDay(part.day);
      days.set(part.day, tables);
      const ms = part.toMs - part.fromMs;
      addTo(tables.usage, field, ms);
      addTo(tables.guests, `${account.guestId}|${state}`, ms);
      tables.accounts.set(account.guestId, encoded);
      const startMs = part.day * DAY_MS;
      tables.pieces.push([account.guestId, state, part.fromMs - startMs, part.toMs - startMs].join('|'));
    }
  }
  return [...days.values()];
}

function emptyDay(day: Day) {
  return {
    day,
    usage: new Map<string, number>(),
    guests: new Map<string, number>(),
    accounts: new Map<string, string>(),
    pieces: [] as string[],
  };
}

function addTo(table: Map<string, number>, field: string, ms: number): void {
  table.set(field, (table.get(field) ?? 0) + ms);
}

/** What makes usage alike: of many guests one field. */
export function usageField(
  account: Omit<LedgerAccount, 'guestId' | 'sandboxId'>,
  state: BillingState,
): string {
  const { provider, failureDomain, node, teamId, userId, preset, size, meantFor } = account;
  const list = [
    provider,
    failureDomain,
    node ?? null,
    teamId ?? null,
    userId ?? null,
    preset ?? null,
    size.vcpus,
    size.memoryMib,
    size.diskGib,
    state,
  ];
  return appendMeantFor(JSON.stringify(list), meantFor);
}

export const stateSchema = z.enum(BILLING_STATES);
const optional = z.string().nullable();
// What a later release adds at the end is passed over.
const usageSchema = z.tuple(
  [
    z.enum(PROVIDER_NAMES),
    z.string(),
    optional,
    optional,
    optional,
    optional,
    z.number(),
    z.number(),
    z.number(),
    stateSchema,
    z.enum(PROVIDER_NAMES).optional(),
  ],
  z.unknown(),
);

type AlikeUsage = Omit<UsageRow, 'day' | 'ms'>;

/** @param known fields that were read before: those of one day come again on the next, and reading one is dear */
export function usageRows(day: Day, usage: Fields, known: Map<string, AlikeUsage>): readonly UsageRow[] {
  return Object.entries(usage).map(([field, ms]) => {
    const alike = known.get(field) ?? readUsageField(field);
    known.set(field, alike);
    return { ...alike, day, ms: Number(ms) };
  });
}

function readUsageField(field: string): AlikeUsage {
  const [provider, failureDomain, node, teamId, userId, preset, vcpus, memoryMib, diskGib, ...rest] =
    usageSchema.parse(JSON.parse(field));
  const [state, meantFor = meantForBehind(field)] = rest;
  return {
    state,
    size: { vcpus, memoryMib, diskGib },
    provider,
    failureDomain,
    ...(node === null ? {} : { node }),
    ...(teamId === null ? {} : { teamId }),
    ...(userId === null ? {} : { userId }),
    ...(preset === null ? {} : { preset }),
    ...(meantFor === undefined ? {} : { meantFor }),
  };
}

/** A piece of one guest's time in one state. */
export interface Piece {
  readonly account: LedgerAccount;
  readonly state: BillingState;
  readonly fromMs: number;
  readonly toMs: number;
}

export function pieceRows(day: Day, blobs: readonly string[], accounts: Fields): readonly Piece[] {
  const known = new Map<string, LedgerAccount>();
  const startMs = day * DAY_MS;
  return blobs.flatMap((blob) =>
    blob.split('\n').flatMap((line) => {
      const [guestId = '', state, from, to] = line.split('|');
      const account = accountIn(known, accounts, guestId);
      if (account === undefined) return [];
      return [
        {
          account,
          state: stateSchema.parse(state),
          fromMs: startMs + Number(from),
          toMs: startMs + Number(to),
        },
      ];
    }),
  );
}

function accountIn(
  known: Map<string, LedgerAccount>,
  accounts: Fields,
  guestId: string,
): LedgerAccount | undefined {
  const encoded = accounts[guestId];
  if (encoded === undefined) return undefined;
  const account = known.get(guestId) ?? decodeAccount(encoded);
  known.set(guestId, account);
  return account;
}
