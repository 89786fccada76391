/**
 * One day of the ledger by sandbox, in columns (`core/sandbox-usage.ts`): time by guest, and the intervals themselves.
 * Of an account only what is its own is read for each guest; what many have alike is read once.
 */
import { DAY_MS, type Day, splitByDay } from '../core/day.ts';
import type { LedgerEntry } from '../core/ledger.ts';
import type { BillingState } from '../core/price-book.ts';
import type { UsageColumns, UsageKind } from '../core/sandbox-usage.ts';
import { stateSchema, usageField } from './ledger-days.ts';
import { decodeAccount } from './ledger-encoding.ts';
import type { Fields } from './records.ts';

/** Numbers for texts, in the order in which they come. */
export interface Names {
  readonly list: readonly string[];
  indexOf(text: string): number;
}

export function createNames(): Names {
  const list: string[] = [];
  const known = new Map<string, number>();
  return {
    list,
    indexOf(text) {
      const index = known.get(text) ?? list.push(text) - 1;
      known.set(text, index);
      return index;
    },
  };
}

/** Intervals of one day, cut at its midnights. */
export interface PieceColumns extends Pick<UsageColumns, 'kinds' | 'kind' | 'sandbox'> {
  readonly fromMs: Float64Array;
  readonly toMs: Float64Array;
}

interface Time {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The time of each guest in each state. */
export function guestColumns(
  day: Day,
  { guests, accounts }: Readonly<Record<'guests' | 'accounts', Fields>>,
  sandboxes: Names,
): UsageColumns {
  const reader = createAccountReader(day, accounts, sandboxes);
  const columns = { kind: [] as number[], sandbox: [] as number[], ms: [] as number[] };
  for (const [field, ms] of Object.entries(guests)) {
    const cut = field.lastIndexOf('|');
    const found = reader.read(field.slice(0, cut), field.slice(cut + 1));
    if (found === undefined) continue;
    columns.kind.push(found.kind);
    columns.sandbox.push(found.sandbox);
    columns.ms.push(Number(ms));
  }
  return pack(reader.kinds, columns);
}

export function pieceColumns(
  day: Day,
  { blobs, accounts }: { readonly blobs: readonly string[]; readonly accounts: Fields },
  sandboxes: Names,
): PieceColumns {
  const reader = createAccountReader(day, accounts, sandboxes);
  const kind: number[] = [];
  const sandbox: number[] = [];
  const fromMs: number[] = [];
  const toMs: number[] = [];
  for (const line of blobs.flatMap((blob) => blob.split('\n'))) {
    const [guestId = '', state = '', from, to] = line.split('|');
    const found = reader.read(guestId, state);
    if (found === undefined) continue;
    kind.push(found.kind);
    sandbox.push(found.sandbox);
    fromMs.push(day * DAY_MS + Number(from));
    toMs.push(day * DAY_MS + Number(to));
  }
  return {
    kinds: reader.kinds,
    kind: Uint32Array.from(kind),
    sandbox: Uint32Array.from(sandbox),
    fromMs: Float64Array.from(fromMs),
    toMs: Float64Array.from(toMs),
  };
}

/** What of them lies within a time. */
export function clipPieces(pieces: PieceColumns, time: Time): UsageColumns {
  const columns = { kind: [] as number[], sandbox: [] as number[], ms: [] as number[] };
  for (let row = 0; row < pieces.kind.length; row += 1) {
    const fromMs = Math.max(pieces.fromMs[row] as number, time.fromMs);
    const toMs = Math.min(pieces.toMs[row] as number, time.toMs);
    if (fromMs >= toMs) continue;
    columns.kind.push(pieces.kind[row] as number);
    columns.sandbox.push(pieces.sandbox[row] as number);
    columns.ms.push(toMs - fromMs);
  }
  return pack(pieces.kinds, columns);
}

/** Entries that are in no table yet. */
export function entryColumns(entries: readonly LedgerEntry[], time: Time, sandboxes: Names): UsageColumns {
  const fields = createNames();
  const kinds: UsageKind[] = [];
  const columns = { kind: [] as number[], sandbox: [] as number[], ms: [] as number[] };
  for (const { account, state, fromMs, toMs } of entries) {
    const { guestId: _, sandboxId, ...dimensions } = account;
    for (const part of splitByDay(Math.max(fromMs, time.fromMs), Math.min(toMs, time.toMs))) {
      const kind = fields.indexOf(`${part.day}|${usageField(account, state)}`);
      kinds[kind] ??= { ...dimensions, state, day: part.day };
      columns.kind.push(kind);
      columns.sandbox.push(sandboxes.indexOf(sandboxId));
      columns.ms.push(part.toMs - part.fromMs);
    }
  }
  return pack(kinds, columns);
}

function pack(
  kinds: readonly UsageKind[],
  { kind, sandbox, ms }: Readonly<Record<'kind' | 'sandbox' | 'ms', readonly number[]>>,
): UsageColumns {
  return {
    kinds,
    kind: Uint32Array.from(kind),
    sandbox: Uint32Array.from(sandbox),
    ms: Float64Array.from(ms),
  };
}

/** What guests have alike, and a kind for each state that one of them was in. */
interface Alike {
  readonly dimensions: Omit<UsageKind, 'day' | 'state'>;
  readonly kinds: Map<string, number>;
}

function createAccountReader(day: Day, accounts: Fields, sandboxes: Names) {
  const kinds: UsageKind[] = [];
  const alikes = new Map<string, Alike>();
  const known = new Map<string, { readonly sandbox: number; readonly alike: Alike }>();

  function readAccount(encoded: string) {
    const { sandboxId, rest } = splitAccount(encoded);
    const alike = alikes.get(rest) ?? { dimensions: dimensionsOf(encoded), kinds: new Map() };
    alikes.set(rest, alike);
    return { sandbox: sandboxes.indexOf(sandboxId), alike };
  }

  function addKind(alike: Alike, state: BillingState): number {
    const kind = kinds.push({ ...alike.dimensions, state, day }) - 1;
    alike.kinds.set(state, kind);
    return kind;
  }

  return {
    kinds,
    /** `undefined`: nobody knows whose it was. */
    read(guestId: string, state: string): { readonly kind: number; readonly sandbox: number } | undefined {
      const encoded = accounts[guestId];
      if (encoded === undefined) return undefined;
      let account = known.get(guestId);
      if (account === undefined) {
        account = readAccount(encoded);
        known.set(guestId, account);
      }
      const { sandbox, alike } = account;
      const kind = alike.kinds.get(state) ?? addKind(alike, stateSchema.parse(state));
      return { kind, sandbox };
    },
  };
}

/** The list's first two elements are texts of the guest's own; the rest is as it is with every guest like it. */
const OWN_PART = /^\["(?:[^"\\]|\\.)*","((?:[^"\\]|\\.)*)",/;

function splitAccount(encoded: string): { readonly sandboxId: string; readonly rest: string } {
  const [own, sandboxId] = OWN_PART.exec(encoded) ?? [];
  if (own === undefined || sandboxId === undefined || sandboxId.includes('\\')) {
    return { sandboxId: decodeAccount(encoded).sandboxId, rest: encoded };
  }
  return { sandboxId, rest: encoded.slice(own.length) };
}

function dimensionsOf(encoded: string): Alike['dimensions'] {
  const { guestId: _, sandboxId: __, ...dimensions } = decodeAccount(encoded);
  return dimensions;
}
