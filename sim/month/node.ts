/** Which Proxmox node a month of guests needs, and what it costs. */
import { placeGuest } from '../../src/core/placement.ts';
import type { SimulatedGuest } from './guests.ts';

export interface NodeOffer {
  readonly memoryMib: number;
  readonly usdPerMonth: number;
}

/**
 * The roadmap's $50-200 a month for a self-hosted node, its lower end taken for 64 GiB of memory and its upper end
 * for 256. No offer of a hoster is behind these figures; `sensitivity` says what another price would change.
 */
export const NODE_OFFERS: readonly NodeOffer[] = [
  { memoryMib: 65_536, usdPerMonth: 50 },
  { memoryMib: 98_304, usdPerMonth: 75 },
  { memoryMib: 131_072, usdPerMonth: 100 },
  { memoryMib: 196_608, usdPerMonth: 150 },
  { memoryMib: 262_144, usdPerMonth: 200 },
];

/** The product's own reserves. */
export const RESERVES = { hostMib: 2_048, resumeShare: 0.1 } as const;

/** The most memory that running guests are entitled to at one time. */
export function peakMemoryMib(guests: readonly SimulatedGuest[]): number {
  const edges = guests
    .filter(({ provider }) => provider !== 'morph')
    .flatMap(({ running, team }) =>
      running.flatMap(({ fromMs, toMs }) => [
        { atMs: fromMs, mib: team.size.memoryMib },
        { atMs: toMs, mib: -team.size.memoryMib },
      ]),
    )
    .sort((a, b) => a.atMs - b.atMs || a.mib - b.mib);
  let used = 0;
  let peak = 0;
  for (const { mib } of edges) {
    used += mib;
    peak = Math.max(peak, used);
  }
  return peak;
}

/** The smallest offer on which the real placement finds room for the last guest of the peak. */
export function chooseNode(peakMib: number, guestMib: number): NodeOffer {
  const fits = NODE_OFFERS.find(({ memoryMib }) => {
    const state = { node: 'pve1', online: true, cordoned: false, memoryMib, usedMib: peakMib - guestMib };
    const { candidates } = placeGuest([{ node: 'pve1', memoryMib: guestMib }], [state], RESERVES);
    return candidates.length > 0;
  });
  if (fits) return fits;
  throw new Error(`no node has room for ${Math.ceil(peakMib / 1_024)} GiB at once: this needs several nodes`);
}
