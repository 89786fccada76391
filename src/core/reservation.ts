/** What one start holds in the budgets that it counts against. */
export interface Reservation {
  readonly budgets: readonly string[];
  readonly microUsd: number;
}
