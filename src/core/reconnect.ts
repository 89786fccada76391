import type { Endpoint } from './guest.ts';

/**
 * What whoever uses a sandbox has to do once it was resumed. `connections`: those that were open are dead, open
 * them again. `addresses`: `endpoints` has changed, read it. `processes`: it came up from its disk alone, start
 * again what ran in it.
 */
export const RECONNECTS = ['connections', 'addresses', 'processes'] as const;

export type Reconnect = (typeof RECONNECTS)[number];

export function planReconnect(
  before: readonly Endpoint[],
  after: readonly Endpoint[],
  memoryKept: boolean,
): readonly Reconnect[] {
  const had = new Map(before.map(({ name, url }) => [name, url]));
  const moved = after.length !== before.length || after.some(({ name, url }) => had.get(name) !== url);
  return [
    'connections',
    ...(moved ? ['addresses' as const] : []),
    ...(memoryKept ? [] : ['processes' as const]),
  ];
}
