/**
 * The price book as it stands in a file, and as workers publish it: amounts are decimal texts, because a number
 * like 0.1 is not exact in JSON's floats.
 */
import { z } from 'zod';
import { parseDay } from '../core/day.ts';
import { type Exact, parseDecimal } from '../core/exact.ts';
import type { NodePrice, PriceBook } from '../core/price-book.ts';
import type { Problems } from './config-problems.ts';
import { readJsonFile } from './json-file.ts';

const day = z.string().refine((text) => parseDay(text) !== undefined, 'a day such as 2026-09-28');
const amount = z
  .string()
  .refine((text) => parseDecimal(text) !== undefined, 'an amount in quotes, such as "0.05"');
const size = z.int().min(1);

const morphPrice = z.strictObject({
  from: day,
  usdPerMcuHour: amount,
  /** One MCU hour holds this much. */
  mcuMemoryMib: size,
  mcuDiskGib: size,
  usdPerStoredGibHour: amount,
});

const nodePrice = z.strictObject({
  node: z.string().min(1),
  failureDomain: z.string().min(1).optional(),
  from: day,
  until: day.optional(),
  usdPerMonth: amount,
  memoryMib: size,
  sharedMib: z.int().min(0).default(0),
});

const fixedLine = z.strictObject({
  line: z.string().regex(/^[\w.-]{1,64}$/, 'a name of letters, digits, _ . -'),
  from: day,
  until: day.optional(),
  usdPerMonth: amount,
});

export const priceBookSchema = z
  .strictObject({
    asOf: day,
    sources: z.array(z.string().min(1)).default([]),
    morph: z.array(morphPrice).default([]),
    nodes: z.array(nodePrice).default([]),
    lines: z.array(fixedLine).optional(),
  })
  .superRefine(({ nodes }, context) => {
    for (const [index, node] of nodes.entries()) {
      const add = (message: string) => context.addIssue({ code: 'custom', path: ['nodes', index], message });
      if (node.sharedMib > node.memoryMib) add('sharedMib is more than the memory of the node');
      if (node.until !== undefined && node.until <= node.from) add('until is not after from');
      const others = nodes.filter((other) => other !== node && other.node === node.node);
      if (
        others.some((other) => (other.failureDomain === undefined) !== (node.failureDomain === undefined))
      ) {
        add('name the failure domain in every price of this node, or in none');
      }
      if (others.some((other) => other.failureDomain === node.failureDomain && other.from === node.from)) {
        add('this node has two prices from the same day');
      }
    }
  });

/** Checked, and as plain as JSON, so that it can be published. */
export type PriceBookText = z.output<typeof priceBookSchema>;

/** What Morph has published (see `sources`); what a Proxmox node costs, only its owner knows. */
export const PUBLISHED_PRICES: PriceBookText = {
  asOf: '2026-09-28',
  sources: [
    'Morph Cloud: 1 MCU hour is $0.05, by the largest of vCPUs, memory / 4 GiB and disk / 16 GiB, while an instance ' +
      'runs (cloud.morph.so/web/subscribe, as reported by two independent write-ups of September 2026)',
    'Morph Cloud: a paused instance costs storage alone, 1 MCU for 5 TB hours of memory and disk (docs, TTL and pause)',
  ],
  morph: [
    {
      from: '2025-01-01',
      usdPerMcuHour: '0.05',
      mcuMemoryMib: 4_096,
      mcuDiskGib: 16,
      usdPerStoredGibHour: '0.00001',
    },
  ],
  nodes: [],
};

/** Local mode's nodes are simulated; $60 a month lies at the low end of the $50-200 that cmux's roadmap expects. */
export const LOCAL_PRICES: PriceBookText = {
  ...PUBLISHED_PRICES,
  sources: [...PUBLISHED_PRICES.sources, 'Simulated Proxmox nodes: an assumption, $60 a month each'],
  nodes: [
    { node: 'pve1', from: '2025-01-01', usdPerMonth: '60', memoryMib: 131_072, sharedMib: 2_048 + 13_107 },
  ],
};

/** Reads the file. What is wrong is reported with its place in the file. */
export function readPriceBookFile(path: string, problems: Problems): PriceBookText {
  const file = readJsonFile({ setting: 'PRICE_BOOK_FILE', path, schema: priceBookSchema }, problems);
  return file?.data ?? PUBLISHED_PRICES;
}

/** As it is calculated with: by day, and no two prices of one node at a time. */
export function toPriceBook({ asOf, sources, morph, nodes, lines = [] }: PriceBookText): PriceBook {
  const byDay = nodes.toSorted((a, b) => a.from.localeCompare(b.from));
  return {
    asOf,
    sources,
    lines: lines.map(({ line, from, until, usdPerMonth }) => ({
      line,
      fromDay: toDay(from),
      ...(until === undefined ? {} : { untilDay: toDay(until) }),
      usdPerMonth: toExact(usdPerMonth),
    })),
    morph: morph
      .toSorted((a, b) => a.from.localeCompare(b.from))
      .map(({ from, usdPerMcuHour, mcuMemoryMib, mcuDiskGib, usdPerStoredGibHour }) => ({
        fromDay: toDay(from),
        usdPerMcuHour: toExact(usdPerMcuHour),
        mcuMemoryMib,
        mcuDiskGib,
        usdPerStoredGibHour: toExact(usdPerStoredGibHour),
      })),
    nodes: byDay.map((price, index): NodePrice => {
      const { node, failureDomain, from, until, usdPerMonth, memoryMib, sharedMib } = price;
      const next = byDay
        .slice(index + 1)
        .find((later) => later.node === node && later.failureDomain === failureDomain);
      const ends = [until, next?.from].filter((end) => end !== undefined).sort();
      return {
        node,
        ...(failureDomain === undefined ? {} : { failureDomain }),
        fromDay: toDay(from),
        ...(ends[0] === undefined ? {} : { untilDay: toDay(ends[0]) }),
        usdPerMonth: toExact(usdPerMonth),
        memoryMib,
        sharedMib,
      };
    }),
  };
}

function toDay(text: string): number {
  return parseDay(text) ?? 0;
}

function toExact(text: string): Exact {
  return parseDecimal(text) ?? { numerator: 0n, denominator: 1n };
}
