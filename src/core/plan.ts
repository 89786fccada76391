/**
 * What the sandboxes of a month will cost in each phase of the migration, from a short description of their use.
 * A projection, not a ledger: hours and dollars are estimates, and each has its bounds where the old rule leaves
 * room. The model is one page of arithmetic on purpose; `npm run sim:month` plays a whole month instead.
 *
 * A session is one sandbox from its start to its deletion. It is used in bursts; between them it idles. Under the
 * old rule a burst costs whole hours (the TTL), and an open tab that polls makes all of its idle time running time.
 * Suspended when idle, a burst costs itself and the threshold after it.
 */
import { dayOf } from './day.ts';
import type { Exact } from './exact.ts';
import { type BilledSize, mcuOf, mcuPriceOn, type PriceBook } from './price-book.ts';

export interface UsageDescription {
  readonly users: number;
  readonly sessionsPerUserDay: number;
  readonly workingDays: number;
  /** Used, and lying about until it is deleted. */
  readonly activeHoursPerSession: number;
  readonly idleHoursPerSession: number;
  readonly burstsPerSession: number;
  readonly size: BilledSize;
  /** Of the sessions, those that phase 2 leaves on Morph. */
  readonly prodShare: number;
  /** Of the sessions, those that fall back to Morph once Proxmox is first. */
  readonly fallbackShare: number;
  readonly idleThresholdMinutes: number;
  readonly node: { readonly usdPerMonth: number; readonly memoryMib: number; readonly sharedMib: number };
}

export type UsageDefaults = Omit<UsageDescription, 'users' | 'sessionsPerUserDay' | 'activeHoursPerSession'>;

export const USAGE_DEFAULTS: UsageDefaults = {
  workingDays: 21,
  idleHoursPerSession: 8,
  burstsPerSession: 3,
  // cmux's default preset.
  size: { vcpus: 4, memoryMib: 8_192, diskGib: 32 },
  prodShare: 0.05,
  fallbackShare: 0.02,
  idleThresholdMinutes: 15,
  // The middle of the roadmap's $50-200 for a self-hosted node; see `npm run sim:month`.
  node: { usdPerMonth: 100, memoryMib: 131_072, sharedMib: 2_048 },
};

export type PhaseName = 'today' | 'phase 1' | 'phase 2' | 'phase 3' | 'phase 4';

export interface PlannedPhase {
  readonly phase: PhaseName;
  readonly what: string;
  /** Most favourable and least favourable reading; equal where there is one only. */
  readonly usd: readonly [lower: number, upper: number];
  readonly nodes: number;
  /** Against the middle of today's bounds. */
  readonly savingPercent: number;
}

export interface Plan {
  readonly sessions: number;
  readonly sandboxHours: { readonly today: readonly [number, number]; readonly suspended: number };
  readonly usualConcurrent: number;
  readonly peakConcurrent: number;
  readonly phases: readonly PlannedPhase[];
  /** From here on the nodes cost less than the same hours on Morph. */
  readonly breakEven: { readonly sandboxHours: number; readonly sessionsPerUserDay: number };
}

/** Hours of a working day in which sessions overlap. */
const WORKING_HOURS = 8;
/** The highest number at once over the usual one at work, as a generated month of ten users shows it. */
const PEAK_OVER_USUAL = 2.6;
/** An hour begun is an hour paid for: a burst ends somewhere within its last one. */
const HALF_AN_HOUR = 0.5;

export function planMigration(usage: UsageDescription, book: PriceBook, nowMs: number): Plan {
  const sessions = usage.users * usage.sessionsPerUserDay * usage.workingDays;
  const { activeHoursPerSession: active, idleHoursPerSession: idle, burstsPerSession: bursts } = usage;
  const oldHours = [
    sessions * Math.min(active + idle, active + bursts * HALF_AN_HOUR),
    sessions * (active + idle),
  ] as const;
  const hours = sessions * (active + Math.min(idle, (bursts * usage.idleThresholdMinutes) / 60));
  const usualConcurrent = hours / (usage.workingDays * WORKING_HOURS);
  const peakConcurrent = Math.ceil(usualConcurrent * PEAK_OVER_USUAL);
  const hourUsd = morphHourUsd(usage.size, book, nowMs);
  const today = [oldHours[0] * hourUsd, oldHours[1] * hourUsd] as const;

  const onProxmox = (share: number) => {
    const nodes = nodesFor(Math.ceil(peakConcurrent * share), usage);
    return { nodes, usd: nodes * usage.node.usdPerMonth + hours * (1 - share) * hourUsd };
  };
  const second = onProxmox(1 - Math.max(usage.prodShare, usage.fallbackShare));
  const third = onProxmox(1 - usage.fallbackShare);
  const phase = (name: PhaseName, what: string, usd: readonly [number, number], nodes: number) => ({
    phase: name,
    what,
    usd: [cents(usd[0]), cents(usd[1])] as const,
    nodes,
    savingPercent: saving(today, usd),
  });
  const nodeUsd = third.nodes * usage.node.usdPerMonth;
  const hoursPerSession = sessions === 0 ? 0 : hours / sessions;
  return {
    sessions,
    sandboxHours: { today: oldHours, suspended: hours },
    usualConcurrent,
    peakConcurrent,
    phases: [
      phase('today', 'Morph, an hour of TTL, woken by any request', today, 0),
      phase('phase 1', 'Morph only, suspended when idle', [hours * hourUsd, hours * hourUsd], 0),
      phase('phase 2', 'Proxmox first, production on Morph', [second.usd, second.usd], second.nodes),
      phase('phase 3', 'Proxmox for all, Morph for emergencies', [third.usd, third.usd], third.nodes),
      phase('phase 4', 'the same for good, Morph kept as fallback', [third.usd, third.usd], third.nodes),
    ],
    breakEven: {
      sandboxHours: Math.ceil(nodeUsd / hourUsd),
      sessionsPerUserDay:
        hoursPerSession === 0
          ? 0
          : Math.round((nodeUsd / hourUsd / hoursPerSession / (usage.users * usage.workingDays)) * 100) / 100,
    },
  };
}

function morphHourUsd(size: BilledSize, book: PriceBook, nowMs: number): number {
  const price = mcuPriceOn(book, dayOf(nowMs));
  if (price === undefined) throw new Error('the price book has no price for Morph');
  return mcuOf(size, price) * asNumber(price.usdPerMcuHour);
}

function nodesFor(guests: number, { node, size }: UsageDescription): number {
  const each = Math.floor((node.memoryMib - node.sharedMib) / size.memoryMib);
  if (each < 1) throw new Error(`a node of ${node.memoryMib} MiB has no room for ${size.memoryMib} MiB`);
  return Math.max(1, Math.ceil(guests / each));
}

function saving(today: readonly [number, number], usd: readonly [number, number]): number {
  const before = (today[0] + today[1]) / 2;
  const after = (usd[0] + usd[1]) / 2;
  return before === 0 ? 0 : Math.round(((before - after) / before) * 1_000) / 10;
}

const asNumber = ({ numerator, denominator }: Exact) => Number(numerator) / Number(denominator);
const cents = (usd: number) => Math.round(usd * 100) / 100;
