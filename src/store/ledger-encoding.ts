/**
 * Intervals as Redis keeps them: short texts, because there are many. An account is one JSON list; an open
 * interval is `state|from|evidence|account`, a closed one `state|from|evidence|to|evidence|account`.
 *
 * What cannot be read was written by a later release, or by a hand in Redis; `read…` answers `undefined` for it.
 */
import { ZodError, z } from 'zod';
import type { LedgerAccount, LedgerEntry, OpenInterval } from '../core/ledger.ts';
import { BILLING_STATES } from '../core/price-book.ts';
import { PROVIDER_NAMES } from '../core/provider-name.ts';
import { appendMeantFor, meantForBehind } from './meant-for.ts';

const text = z.string();
const optional = z.string().nullable();
const count = z.number();
// What a later release adds at the end is passed over.
const accountSchema = z.tuple(
  [
    text,
    text,
    z.enum(PROVIDER_NAMES),
    text,
    optional,
    optional,
    optional,
    optional,
    count,
    count,
    count,
    z.enum(PROVIDER_NAMES).optional(),
  ],
  z.unknown(),
);
const state = z.enum(BILLING_STATES);
const evidence = z.enum(['provider', 'clock']);
const ms = z.coerce.number().int();

export function encodeAccount(account: LedgerAccount): string {
  const { guestId, sandboxId, provider, failureDomain, node, teamId, userId, preset, size, meantFor } =
    account;
  const list = [
    guestId,
    sandboxId,
    provider,
    failureDomain,
    node ?? null,
    teamId ?? null,
    userId ?? null,
    preset ?? null,
    size.vcpus,
    size.memoryMib,
    size.diskGib,
  ];
  return appendMeantFor(JSON.stringify(list), meantFor);
}

export function decodeAccount(encoded: string): LedgerAccount {
  const [guestId, sandboxId, provider, failureDomain, node, teamId, userId, preset, ...rest] =
    accountSchema.parse(JSON.parse(encoded));
  const [vcpus, memoryMib, diskGib, meantFor = meantForBehind(encoded)] = rest;
  return {
    guestId,
    sandboxId,
    provider,
    failureDomain,
    ...(node === null ? {} : { node }),
    ...(teamId === null ? {} : { teamId }),
    ...(userId === null ? {} : { userId }),
    ...(preset === null ? {} : { preset }),
    ...(meantFor === undefined ? {} : { meantFor }),
    size: { vcpus, memoryMib, diskGib },
  };
}

export function encodeOpen({ account, state, fromMs, fromEvidence }: OpenInterval): string {
  return [state, fromMs, fromEvidence, encodeAccount(account)].join('|');
}

export function readOpen(encoded: string): OpenInterval | undefined {
  return unlessUnreadable(() => decodeOpen(encoded));
}

export function readEntry(encoded: string): LedgerEntry | undefined {
  return unlessUnreadable(() => decodeEntry(encoded));
}

function unlessUnreadable<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ZodError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function decodeOpen(encoded: string): OpenInterval {
  const [, stateText, fromMs, fromEvidence, account = ''] =
    /^(\w+)\|(\d+)\|(\w+)\|(.*)$/s.exec(encoded) ?? [];
  return {
    account: decodeAccount(account),
    state: state.parse(stateText),
    fromMs: ms.parse(fromMs),
    fromEvidence: evidence.parse(fromEvidence),
  };
}

function decodeEntry(encoded: string): LedgerEntry {
  const [, stateText, fromMs, fromEvidence, toMs, toEvidence, account = ''] =
    /^(\w+)\|(\d+)\|(\w+)\|(\d+)\|(\w+)\|(.*)$/s.exec(encoded) ?? [];
  return {
    account: decodeAccount(account),
    state: state.parse(stateText),
    fromMs: ms.parse(fromMs),
    fromEvidence: evidence.parse(fromEvidence),
    toMs: ms.parse(toMs),
    toEvidence: evidence.parse(toEvidence),
  };
}
