/**
 * Whole histories of sandboxes, as far back as the ledger keeps intervals: from the pieces of days, the journal and
 * what is open. A few hundred sandboxes are read at a time; of a day that is read only their pieces are kept.
 */
import type { Redis } from 'ioredis';
import type { SandboxHistory } from '../core/counterfactual.ts';
import { type Day, dayText, splitByDay } from '../core/day.ts';
import { accrue } from '../core/ledger.ts';
import type { Keys } from './keys.ts';
import { type Piece, pieceRows } from './ledger-days.ts';
import { decodeAccount, readEntry, readOpen } from './ledger-encoding.ts';
import type { Fields } from './records.ts';

export interface HistoryQuery {
  /** Of sandboxes that had a guest on one of these days. */
  readonly days: readonly Day[];
  /** Histories begin here. */
  readonly fromDay: Day;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

export interface HistoryReader {
  /** Each sandbox once. */
  histories(query: HistoryQuery): AsyncGenerator<SandboxHistory>;
}

/** Sandboxes at a time: with ten intervals a day for 45 days each some 50 MB, and usually a hundredth of that. */
const SANDBOXES_AT_ONCE = 500;

export function createHistoryReader(redis: Redis, keys: Keys): HistoryReader {
  /** What is in no table yet, cut at midnights as the tables are. */
  async function recent(nowMs: number): Promise<readonly Piece[]> {
    const replies = await redis.multi().lrange(keys.ledger.journal, 0, -1).hgetall(keys.ledger.open).exec();
    const [waiting, open] = (replies ?? []).map(([error, reply]) => {
      if (error) throw error;
      return reply;
    });
    const entries = [
      ...(waiting as string[]).flatMap((encoded) => readEntry(encoded) ?? []),
      ...Object.values(open as Fields)
        .flatMap((encoded) => readOpen(encoded) ?? [])
        .flatMap((interval) => accrue(interval, nowMs) ?? []),
    ];
    return entries.flatMap(({ account, state, fromMs, toMs }) =>
      splitByDay(fromMs, toMs).map((part) => ({ account, state, fromMs: part.fromMs, toMs: part.toMs })),
    );
  }

  async function sandboxesOn(days: readonly Day[], pieces: readonly Piece[]): Promise<readonly string[]> {
    const ids = new Set(pieces.map(({ account }) => account.sandboxId));
    for (const day of days) {
      const accounts = await redis.hvals(keys.ledger.day(dayText(day)).accounts);
      for (const encoded of accounts) ids.add(decodeAccount(encoded).sandboxId);
    }
    return [...ids];
  }

  async function piecesOf(day: Day): Promise<readonly Piece[]> {
    const { pieces, accounts } = keys.ledger.day(dayText(day));
    const [blobs, known] = await Promise.all([redis.lrange(pieces, 0, -1), redis.hgetall(accounts)]);
    return pieceRows(day, blobs, known);
  }

  return {
    async *histories({ days, fromDay, nowMs, signal }) {
      // Before the tables: what moves into them meanwhile is found twice, and counts once.
      const latest = await recent(nowMs);
      const ids = await sandboxesOn(days, latest);
      const lastDay = Math.max(...days);
      for (let from = 0; from < ids.length && !signal.aborted; from += SANDBOXES_AT_ONCE) {
        const wanted = new Map(
          ids.slice(from, from + SANDBOXES_AT_ONCE).map((id) => [id, new Map<string, Piece>()]),
        );
        const keep = (piece: Piece) =>
          wanted.get(piece.account.sandboxId)?.set(`${piece.account.guestId}@${piece.fromMs}`, piece);
        for (let day = fromDay; day <= lastDay && !signal.aborted; day += 1) {
          for (const piece of await piecesOf(day)) keep(piece);
        }
        for (const piece of latest) keep(piece);
        for (const pieces of wanted.values()) yield toHistory([...pieces.values()]);
      }
    },
  };
}

function toHistory(pieces: readonly Piece[]): SandboxHistory {
  return pieces
    .toSorted((a, b) => a.fromMs - b.fromMs)
    .map((piece) => ({ ...piece, fromEvidence: 'clock', toEvidence: 'clock' }));
}
