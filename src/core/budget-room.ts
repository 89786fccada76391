/**
 * Room in the budgets for a start: which candidates can be afforded, and what an attempt reserves. The decision is
 * made on what was read; the transaction that opens the attempt holds it against what is there then, so that two
 * starts never share the last slice.
 */
import { type BudgetUse, forbids, isWithinScope, withinBudgets } from './budget.ts';
import { monthText } from './day.ts';
import type { LeftOut } from './operation.ts';
import type { ProviderName } from './provider-name.ts';
import type { Reservation } from './reservation.ts';
import { type SlicePrices, sliceMicroUsd } from './slice.ts';

/** What the transaction checks and writes. */
export interface Room {
  readonly reservation: Reservation;
  /** What was spent in another month does not count. */
  readonly month: string;
  /** Only budgets that would refuse; the others count, and let through. */
  readonly limits: readonly {
    readonly name: string;
    readonly limitMicroUsd: number;
    /** Beyond what this start holds already. */
    readonly addsMicroUsd: number;
  }[];
}

/** The budgets as they were read. No budgets: nothing is asked and nothing is reserved. */
export interface Spending {
  readonly uses: readonly BudgetUse[];
  /** Of which month what is spent is; in another one it counts nothing. */
  readonly month?: string;
  readonly slices: SlicePrices;
}

export interface SpendingStart {
  readonly preset?: string | undefined;
  readonly teamId?: string | undefined;
  /** What an earlier attempt holds; it is given back for whatever comes next. */
  readonly reserved?: Reservation | undefined;
}

export function affordable(
  candidates: readonly ProviderName[],
  start: SpendingStart,
  { uses, month, slices }: Spending,
  nowMs: number,
): { readonly candidates: readonly ProviderName[]; readonly leftOut: readonly LeftOut[] } {
  if (uses.length === 0 || candidates.length === 0) return { candidates, leftOut: [] };
  const priced = candidates.map((provider) => ({
    provider,
    sliceMicroUsd: sliceMicroUsd(slices, start.preset, provider),
  }));
  const others = uses.map((use) => ({
    ...use,
    spentMicroUsd: month === monthText(nowMs) ? use.spentMicroUsd : 0,
    reservedMicroUsd: use.reservedMicroUsd - heldIn(use.budget.name, start.reserved),
  }));
  return withinBudgets(priced, start.teamId, others);
}

/** `undefined`: no budget is about this start. */
export function roomFor(
  provider: ProviderName,
  /** Those it was chosen from: a budget that routes away lets the cheapest of them through. */
  candidates: readonly ProviderName[],
  start: SpendingStart,
  { uses, slices }: Spending,
  nowMs: number,
): Room | undefined {
  const concerned = uses
    .map(({ budget }) => budget)
    .filter((budget) => isWithinScope(budget, { ...start, provider }));
  if (concerned.length === 0 && start.reserved === undefined) return undefined;
  const priceAt = (name: ProviderName) => sliceMicroUsd(slices, start.preset, name);
  const microUsd = priceAt(provider);
  const isCheapest = candidates.every((other) => priceAt(other) >= microUsd);
  return {
    reservation: { budgets: concerned.map(({ name }) => name), microUsd },
    month: monthText(nowMs),
    limits: concerned
      .filter((budget) => forbids(budget, isCheapest))
      .map(({ name, monthlyMicroUsd }) => ({
        name,
        limitMicroUsd: monthlyMicroUsd,
        addsMicroUsd: microUsd - heldIn(name, start.reserved),
      })),
  };
}

function heldIn(name: string, reserved: Reservation | undefined): number {
  return reserved?.budgets.includes(name) ? reserved.microUsd : 0;
}

/** A sandbox that runs keeps what of its slice it has not used yet: the ledger has only its first seconds. */
export function heldWhileRunning(reservedMicroUsd: number, runningForMs: number): number {
  const left = 1 - runningForMs / SLICE_MS;
  return left <= 0 ? 0 : Math.ceil(reservedMicroUsd * Math.min(1, left));
}

export const SLICE_MS = 60 * 60 * 1000;
