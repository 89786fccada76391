/** The event log as a command reads it, whichever way it is reached. */
import type { HistoryEntry } from '../../core/events.ts';

export interface ReadEvent extends HistoryEntry {
  /** Its place in the log. */
  readonly id: string;
  readonly sandboxId: string;
}

export type EventNews =
  | { readonly news: 'event'; readonly event: ReadEvent }
  /** Events between the two places are no longer kept. */
  | { readonly news: 'reset'; readonly from: string; readonly to: string }
  /** Nothing new: the reader is at this place. */
  | { readonly news: 'place'; readonly id: string };

export interface EventSource {
  /** The place of the newest event. */
  newest(): Promise<string>;
  /** News after a place, without end; ends when the way breaks, and on abort. */
  after(place: string, signal: AbortSignal): AsyncIterable<EventNews>;
}

/** Whether one place is after another. Places are `<milliseconds>-<number>`. */
export function isAfter(place: string, other: string): boolean {
  const [ms = 0, number = 0] = place.split('-').map(Number);
  const [otherMs = 0, otherNumber = 0] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && number > otherNumber);
}
