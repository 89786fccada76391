/** Days and months of the ledger are UTC: everybody's midnight is the same, and no day is longer than another. */

export const DAY_MS = 86_400_000;

/** Whole days since 1970-01-01. */
export type Day = number;

export function dayOf(atMs: number): Day {
  return Math.floor(atMs / DAY_MS);
}

/** `2026-11-21`. */
export function dayText(day: Day): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** `undefined` for a text that is no day of the calendar. */
export function parseDay(text: string): Day | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
  const atMs = Date.parse(`${text}T00:00:00Z`);
  if (Number.isNaN(atMs) || dayText(dayOf(atMs)) !== text) return undefined;
  return dayOf(atMs);
}

export function daysInMonthOf(day: Day): number {
  const date = new Date(day * DAY_MS);
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}

/** When the month of an instant began. */
export function monthStartMs(atMs: number): number {
  const date = new Date(atMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
}

/** When the month after that of an instant begins. */
export function nextMonthStartMs(atMs: number): number {
  const date = new Date(atMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

/** `2026-11`. */
export function monthText(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 7);
}

export interface DayPart {
  readonly day: Day;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Cuts a time at midnights. A time that is empty or backwards has no parts. */
export function splitByDay(fromMs: number, toMs: number): readonly DayPart[] {
  const parts: DayPart[] = [];
  // Bounded by the length of the time: a year of one interval is 366 parts.
  for (let from = fromMs; from < toMs; ) {
    const day = dayOf(from);
    const to = Math.min(toMs, (day + 1) * DAY_MS);
    parts.push({ day, fromMs: from, toMs: to });
    from = to;
  }
  return parts;
}
