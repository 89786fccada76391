import { DAY_MS, dayOf } from '../../src/core/day.ts';
import { type Exact, parseDecimal } from '../../src/core/exact.ts';
import type { PriceBook } from '../../src/core/price-book.ts';
import { HOUR_MS } from '../generate-sessions.ts';
import { totalMs } from '../judge-idle.ts';
import { createRandom } from '../random.ts';
import type { Interval } from '../simulate-idle.ts';
import { billByLedger, billByMeter, billUnder, type Month } from './bill.ts';
import { type Policy, type SimulatedGuest, simulateGuest } from './guests.ts';
import { chooseNode, type NodeOffer, peakMemoryMib, RESERVES } from './node.ts';
import { generateTeamMonth, type TeamSession } from './team.ts';

export interface ScenarioFigures {
  readonly name: ScenarioName;
  readonly costUsd: number;
  /** Against `morph-old-rule`. */
  readonly savingPercent: number;
  /** Hours in which sandboxes ran. */
  readonly sandboxHours: number;
  /** Pauses that met a sandbox at work. */
  readonly interruptions: number;
  /** Of those, the ones that met work of which nothing told; not counted under the old rule, which asks nothing. */
  readonly silentInterruptions: number;
  readonly peakConcurrent: number;
  /** The mean on working days from nine to five. */
  readonly usualConcurrent: number;
  readonly nodeUsd?: number;
  readonly nodeMemoryGib?: number;
}

export interface MonthFigures {
  readonly seed: number;
  readonly users: number;
  readonly sessions: number;
  readonly scenarios: readonly ScenarioFigures[];
  /** The ledger against a meter that knows the truth; the largest of all scenarios. */
  readonly ledgerErrorPercent: number;
  /** The old rule as the ledger of `morph-idle` infers it, held against the one that was simulated. */
  readonly inferredOldRule: {
    readonly lowerUsd: number;
    readonly upperUsd: number;
    readonly simulatedUsd: number;
    readonly holds: boolean;
  };
  readonly sensitivity: readonly { readonly what: string; readonly savingPercent: number }[];
  /** The roadmap's claim for the sandbox share, and whether this month bears it out. */
  readonly claim: { readonly fromPercent: 70; readonly toPercent: 90; readonly shown: boolean };
}

export type ScenarioName = 'morph-old-rule' | 'morph-idle' | 'proxmox-morph-idle';

interface Prices {
  readonly mcu: string;
  /** Multiplies the node's price. */
  readonly node: number;
}

const LIST_PRICES: Prices = { mcu: '0.05', node: 1 };
/** Morph's largest plan sells an MCU for a third less. */
const SCALE_PLAN: Prices = { mcu: '0.0333', node: 1 };

/** November 2026: 21 working days of 30. */
const MONTH: Month = { fromMs: Date.UTC(2026, 10, 1), toMs: Date.UTC(2026, 11, 1) };
/** Four hours of a working day in which Proxmox is away: an upgrade, a broken disk. */
const AWAY = { fromMs: Date.UTC(2026, 10, 12, 9), toMs: Date.UTC(2026, 10, 12, 13) };

const ON_MORPH = { primary: 'morph', fallbacks: [], byWorkload: {} } as const;
const ON_PROXMOX = { primary: 'pve-vm', fallbacks: ['morph'], byWorkload: {} } as const;

const POLICIES: Readonly<Record<ScenarioName, Policy>> = {
  'morph-old-rule': { suspends: 'by the old rule', routing: ON_MORPH },
  'morph-idle': { suspends: 'when idle', routing: ON_MORPH },
  'proxmox-morph-idle': { suspends: 'when idle', routing: ON_PROXMOX, proxmoxAway: AWAY },
};
const NAMES = Object.keys(POLICIES) as ScenarioName[];

/** A month of one team under each policy. The same seed gives the same figures. */
export function runMonth(seed: number, users: number): MonthFigures {
  const month = generate(seed, users, 1);
  const simulated = simulateAll(seed, month);
  const billed = billAll(seed, simulated, LIST_PRICES);
  const proxmox = (saving: ReturnType<typeof billAll>) => saving.scenarios.at(-1)?.savingPercent ?? 0;
  const eager = simulateAll(seed, generate(seed, users, 0.25));
  const claimed = proxmox(billed);
  return {
    seed,
    users,
    sessions: month.length,
    ...billed,
    inferredOldRule: inferOldRule(seed, simulated, billed.scenarios[0]?.costUsd ?? 0),
    sensitivity: [
      {
        what: 'the node costs half',
        savingPercent: proxmox(billAll(seed, simulated, { ...LIST_PRICES, node: 0.5 })),
      },
      {
        what: 'the node costs twice as much',
        savingPercent: proxmox(billAll(seed, simulated, { ...LIST_PRICES, node: 2 })),
      },
      {
        what: "Morph at its largest plan's price",
        savingPercent: proxmox(billAll(seed, simulated, SCALE_PLAN)),
      },
      {
        what: 'sandboxes deleted four times sooner',
        savingPercent: proxmox(billAll(seed, eager, LIST_PRICES)),
      },
    ],
    claim: { fromPercent: 70, toPercent: 90, shown: claimed >= 70 },
  };
}

function generate(seed: number, users: number, idleFactor: number): readonly TeamSession[] {
  const days = (MONTH.toMs - MONTH.fromMs) / DAY_MS;
  return [...generateTeamMonth(createRandom(seed), { users, monthMs: MONTH.fromMs, days, idleFactor })];
}

type Simulated = ReadonlyMap<ScenarioName, readonly SimulatedGuest[]>;

function simulateAll(seed: number, sessions: readonly TeamSession[]): Simulated {
  return new Map(
    NAMES.map((name) => {
      const random = createRandom(seed ^ 0x2545f491);
      return [name, sessions.map((session) => simulateGuest(session, POLICIES[name], random))];
    }),
  );
}

function billAll(seed: number, simulated: Simulated, prices: Prices) {
  const bills = [...simulated].map(([name, guests]) => {
    const node = nodeFor(guests);
    const usdPerNodeMonth = node ? node.usdPerMonth * prices.node : 0;
    const costUsd = billByLedger(guests, bookOf(prices, node), MONTH, createRandom(seed ^ 0x1b873593));
    const meter = { usdPerMcuHour: Number(prices.mcu), usdPerGibHourStored: 0.00001, usdPerNodeMonth };
    const meteredUsd = billByMeter(guests, meter, MONTH, createRandom(seed ^ 0x68bc21eb));
    return {
      name,
      guests,
      node,
      usdPerNodeMonth,
      costUsd,
      errorPercent: percent(costUsd - meteredUsd, meteredUsd),
    };
  });
  const oldUsd = bills[0]?.costUsd ?? 0;
  return {
    scenarios: bills.map(({ name, guests, node, usdPerNodeMonth, costUsd }) => ({
      name,
      costUsd: rounded(costUsd, 2),
      savingPercent: rounded(percent(oldUsd - costUsd, oldUsd), 1),
      sandboxHours: rounded(runningHours(guests), 1),
      interruptions: guests.reduce((sum, { interruptions }) => sum + interruptions, 0),
      silentInterruptions: guests.reduce((sum, guest) => sum + guest.silentInterruptions, 0),
      peakConcurrent: peakConcurrent(guests),
      usualConcurrent: rounded(usualConcurrent(guests), 1),
      ...(node ? { nodeUsd: usdPerNodeMonth, nodeMemoryGib: node.memoryMib / 1_024 } : {}),
    })),
    ledgerErrorPercent: rounded(Math.max(...bills.map(({ errorPercent }) => Math.abs(errorPercent))), 4),
  };
}

function inferOldRule(
  seed: number,
  simulated: Simulated,
  simulatedUsd: number,
): MonthFigures['inferredOldRule'] {
  const random = createRandom(seed ^ 0x1b873593);
  const guests = simulated.get('morph-idle') ?? [];
  const bounds = billUnder('old_rule', guests, bookOf(LIST_PRICES, undefined), MONTH, random);
  const lowerUsd = rounded(bounds.lowerUsd, 2);
  const upperUsd = rounded(bounds.upperUsd, 2);
  return { lowerUsd, upperUsd, simulatedUsd, holds: lowerUsd <= simulatedUsd && simulatedUsd <= upperUsd };
}

/** Sized for the peak of its memory; none where nothing runs on Proxmox. */
function nodeFor(guests: readonly SimulatedGuest[]): NodeOffer | undefined {
  const peakMib = peakMemoryMib(guests);
  const largestMib = Math.max(...guests.map(({ team }) => team.size.memoryMib));
  return peakMib === 0 ? undefined : chooseNode(peakMib, largestMib);
}

function bookOf({ mcu, node: factor }: Prices, node: NodeOffer | undefined): PriceBook {
  const fromDay = dayOf(MONTH.fromMs);
  return {
    asOf: '2026-11-21',
    sources: ['docs/costs.md'],
    morph: [
      {
        fromDay,
        usdPerMcuHour: decimal(mcu),
        mcuMemoryMib: 4_096,
        mcuDiskGib: 16,
        usdPerStoredGibHour: decimal('0.00001'),
      },
    ],
    nodes: node
      ? [
          {
            node: 'pve1',
            fromDay,
            usdPerMonth: decimal(String(node.usdPerMonth * factor)),
            memoryMib: node.memoryMib,
            sharedMib: RESERVES.hostMib,
          },
        ]
      : [],
  };
}

function decimal(text: string): Exact {
  const exact = parseDecimal(text);
  if (exact === undefined) throw new Error(`${text} is no decimal number`);
  return exact;
}

function runningHours(guests: readonly SimulatedGuest[]): number {
  const inMonth = guests.flatMap(({ running }) =>
    running.map(({ fromMs, toMs }) => Math.max(0, Math.min(toMs, MONTH.toMs) - fromMs)),
  );
  return inMonth.reduce((sum, ms) => sum + ms, 0) / HOUR_MS;
}

function usualConcurrent(guests: readonly SimulatedGuest[]): number {
  const shifts: Interval[] = [];
  for (let dayMs = MONTH.fromMs; dayMs < MONTH.toMs; dayMs += DAY_MS) {
    const isWeekend = [0, 6].includes(new Date(dayMs).getUTCDay());
    if (!isWeekend) shifts.push({ fromMs: dayMs + 9 * HOUR_MS, toMs: dayMs + 17 * HOUR_MS });
  }
  const overlaps = guests.flatMap(({ running }) =>
    running.flatMap(({ fromMs, toMs }) =>
      shifts.map((shift) => Math.max(0, Math.min(toMs, shift.toMs) - Math.max(fromMs, shift.fromMs))),
    ),
  );
  return overlaps.reduce((sum, ms) => sum + ms, 0) / totalMs(shifts);
}

function peakConcurrent(guests: readonly SimulatedGuest[]): number {
  const edges = guests
    .flatMap(({ running }) =>
      running.flatMap(
        ({ fromMs, toMs }) =>
          [
            [fromMs, 1],
            [toMs, -1],
          ] as const,
      ),
    )
    .sort(([aMs, a], [bMs, b]) => aMs - bMs || a - b);
  let now = 0;
  let peak = 0;
  for (const [, change] of edges) {
    now += change;
    peak = Math.max(peak, now);
  }
  return peak;
}

const percent = (part: number, whole: number) => (whole === 0 ? 0 : (part / whole) * 100);
const rounded = (value: number, digits: number) => Math.round(value * 10 ** digits) / 10 ** digits;
