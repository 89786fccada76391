/**
 * What budgets know in Redis: one hash with spent, reserved and forecast by budget, as of the last tally, and one with
 * the reservations of single starts. Reserved is always the sum of the reservations: both change in one step.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Budget, BudgetsView, BudgetUse, BudgetView, Forecast } from '../core/budget.ts';
import type { Reservation } from '../core/reservation.ts';
import type { Keys } from './keys.ts';
import type { Fields } from './records.ts';
import { decodeReservation, encodeReservation } from './reservations.ts';
import type { Scripts } from './scripts.ts';

export interface StoredReservation extends Reservation {
  readonly operationId: string;
  readonly atMs: number;
  /** How the operation went on, as far as it matters here. */
  readonly state: 'open' | 'running' | 'over';
  /** Since when its sandbox runs. */
  readonly runningSinceMs?: number;
  readonly originalMicroUsd: number;
  readonly encoded: string;
}

export interface TalliedBudget {
  readonly name: string;
  readonly spentMicroUsd: number;
  readonly forecast: Forecast;
}

export interface Tally {
  /** `2026-11` */
  readonly month: string;
  readonly atMs: number;
  readonly budgets: readonly TalliedBudget[];
  /** What each reservation becomes; nothing: it is dropped. One that changed since it was read stays as it is. */
  readonly reservations: readonly {
    readonly operationId: string;
    readonly was: string;
    readonly becomes: (Reservation & { readonly atMs: number }) | undefined;
  }[];
}

export interface BudgetStore {
  reservations(): Promise<readonly StoredReservation[]>;
  tally(tally: Tally): Promise<void>;
  /** What is known of these budgets, in their order. */
  read(budgets: readonly Budget[], month: string): Promise<BudgetsView>;
}

/** Records in one round trip of the tally: some 100 kB. */
const BATCH = 500;

const forecastSchema = z.object({
  expectedMicroUsd: z.number(),
  lowerMicroUsd: z.number(),
  upperMicroUsd: z.number(),
});

export function createBudgets(redis: Redis, keys: Keys, scripts: Scripts): BudgetStore {
  const { use, reservations } = keys.budgets;

  async function follow(
    batch: readonly (readonly [string, string])[],
  ): Promise<readonly StoredReservation[]> {
    const operations = redis.pipeline();
    for (const [id] of batch)
      operations.hmget(keys.operation(id), 'state', 'settledAtMs', 'sandboxId', 'reserved');
    const records = await repliesOf<(string | null)[]>(operations.exec());
    const sandboxes = redis.pipeline();
    for (const [, , sandboxId] of records) sandboxes.hget(keys.sandbox(sandboxId ?? ''), 'state');
    const states = await repliesOf<string | null>(sandboxes.exec());
    return batch.map(([operationId, encoded], index) => {
      const [state = null, settledAtMs, , reserved] = records[index] ?? [];
      const stored = decodeReservation(encoded);
      const runs = state === 'succeeded' && states[index] === 'running';
      const original = reserved ? (JSON.parse(reserved) as Reservation).microUsd : stored.microUsd;
      return {
        ...stored,
        operationId,
        encoded,
        originalMicroUsd: original,
        state: state === 'queued' || state === 'begun' ? 'open' : runs ? 'running' : 'over',
        ...(runs ? { runningSinceMs: Number(settledAtMs) } : {}),
      };
    });
  }

  return {
    async reservations() {
      const all = Object.entries(await redis.hgetall(reservations));
      const found: StoredReservation[] = [];
      for (let from = 0; from < all.length; from += BATCH) {
        found.push(...(await follow(all.slice(from, from + BATCH))));
      }
      return found;
    },

    async tally({ month, atMs, budgets, reservations: changes }) {
      await scripts.run(
        'tally-budgets',
        [use, reservations],
        [
          JSON.stringify([
            ...['month', month, 'talliedAtMs', String(atMs)],
            ...budgets.flatMap(({ name, spentMicroUsd, forecast }) => [
              ...[`${name}|spent`, String(spentMicroUsd)],
              ...[`${name}|forecast`, JSON.stringify(forecast)],
            ]),
          ]),
          JSON.stringify(
            changes.map(({ operationId, was, becomes }) => [
              operationId,
              was,
              becomes ? encodeReservation(becomes, becomes.atMs) : '',
            ]),
          ),
        ],
      );
    },

    async read(budgets, month) {
      if (budgets.length === 0) return { month, budgets: [] };
      const fields = await redis.hgetall(use);
      const { talliedAtMs } = fields;
      return {
        month,
        ...(talliedAtMs === undefined ? {} : { talliedAtMs: Number(talliedAtMs) }),
        budgets: parseUses(budgets, fields, month).map(({ budget, ...used }): BudgetView => {
          const { monthlyMicroUsd: limitMicroUsd, ...described } = budget;
          const forecast = fields.month === month ? fields[`${budget.name}|forecast`] : undefined;
          return {
            ...described,
            limitMicroUsd,
            ...used,
            ...(forecast === undefined ? {} : { forecast: forecastSchema.parse(JSON.parse(forecast)) }),
          };
        }),
      };
    },
  };
}

/** Spent in another month is nothing yet; reserved is reserved. */
export function parseUses(
  budgets: readonly Budget[],
  fields: Fields,
  month: string | undefined,
): readonly BudgetUse[] {
  return budgets.map((budget) => ({
    budget,
    spentMicroUsd: fields.month === month ? Number(fields[`${budget.name}|spent`] ?? 0) : 0,
    reservedMicroUsd: Number(fields[`${budget.name}|reserved`] ?? 0),
  }));
}

async function repliesOf<T>(
  replies: Promise<[error: Error | null, result: unknown][] | null>,
): Promise<readonly T[]> {
  return ((await replies) ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply as T;
  });
}
