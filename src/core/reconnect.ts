import type { Endpoint } from './guest.ts';

/**
 * What whoever uses a sandbox has to do once it was resumed. `connections`: those that were open are dead, open
 * them again. `addresses`: `endpoints` has changed, read it. `processes`: it came up from its disk alone, start
 * again what ran in it. `clock`: its clock may be behind by the time that it slept, set it.
 */
export const RECONNECTS = ['connections', 'addresses', 'processes', 'clock'] as const;

export type Reconnect = (typeof RECONNECTS)[number];

export function isReconnect(name: string): name is Reconnect {
  return (RECONNECTS as readonly string[]).includes(name);
}

/** The clock of a guest that slept with its memory: how far it was behind, and whether it is right now. */
export interface GuestClock {
  readonly behindMs: number;
  readonly isRight: boolean;
}

/** `unknown`: nobody may ask, or nobody answered. */
export type ClockReport = GuestClock | 'unknown';

/** @param clock absent: that of a guest whose clock does not sleep */
export function planReconnect(
  before: readonly Endpoint[],
  after: readonly Endpoint[],
  memoryKept: boolean,
  clock?: ClockReport,
): readonly Reconnect[] {
  const had = new Map(before.map(({ name, url }) => [name, url]));
  const moved = after.length !== before.length || after.some(({ name, url }) => had.get(name) !== url);
  return [
    'connections',
    ...(moved ? ['addresses' as const] : []),
    ...(memoryKept ? [] : ['processes' as const]),
    ...(clock === undefined || (clock !== 'unknown' && clock.isRight) ? [] : ['clock' as const]),
  ];
}
