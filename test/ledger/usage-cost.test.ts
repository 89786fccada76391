import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitByDay } from '../../src/core/day.ts';
import { sum, toMicroUsd } from '../../src/core/exact.ts';
import { type LedgerEntry, priceEntry } from '../../src/core/ledger.ts';
import { mergeUsage } from '../../src/core/merge-usage.ts';
import { BILLING_STATES } from '../../src/core/price-book.ts';
import { COST_GROUPS, type PricedUsage, type UsageRow } from '../../src/core/usage.ts';
import { priceUsage } from '../../src/core/usage-cost.ts';
import { account, at, BOOK, nodeAccount, STANDARD_SIZE } from './ledger-case.ts';

type Interval = Pick<LedgerEntry, 'account' | 'state' | 'fromMs' | 'toMs'>;

function usage(intervals: readonly Interval[]): readonly UsageRow[] {
  return intervals.flatMap(({ account: of, state, fromMs, toMs }) =>
    splitByDay(fromMs, toMs).map((part) => ({ ...of, state, day: part.day, ms: part.toMs - part.fromMs })),
  );
}

const NOVEMBER = { fromMs: at('2026-11-01'), toMs: at('2026-12-01'), withNodes: true };

function total(lines: PricedUsage['lines']): number {
  return lines.reduce((before, { microUsd }) => before + microUsd, 0);
}

const intervals = fc.array(
  fc
    .record({
      of: fc.constantFrom(
        account(),
        account({ teamId: 'team-b' }),
        nodeAccount(),
        nodeAccount({ teamId: 'b' }),
      ),
      memoryMib: fc.integer({ min: 128, max: 80_000 }),
      state: fc.constantFrom(...BILLING_STATES),
      from: fc.integer({ min: NOVEMBER.fromMs, max: NOVEMBER.toMs - 1 }),
      length: fc.integer({ min: 1, max: 10 * 86_400_000 }),
    })
    .map(
      ({ of, memoryMib, state, from, length }): Interval => ({
        account: { ...of, size: { ...STANDARD_SIZE, memoryMib } },
        state,
        fromMs: from,
        toMs: Math.min(from + length, NOVEMBER.toMs),
      }),
    ),
  { maxLength: 20 },
);

describe('the cost of usage', () => {
  it('splits a node into allocated, idle and shared that add up to its month exactly', () => {
    fc.assert(
      fc.property(intervals, (found) => {
        const { nodes, lines, totalMicroUsd } = priceUsage(BOOK, usage(found), {
          ...NOVEMBER,
          groupBy: ['team'],
        });
        const [node] = nodes;
        expect(node?.costMicroUsd).toBe(60_000_000);
        const parts = [node?.allocatedMicroUsd ?? -1, node?.idleMicroUsd ?? -1, node?.sharedMicroUsd ?? -1];
        expect(parts.every((part) => part >= 0)).toBe(true);
        expect(parts.reduce((before, part) => before + part, 0)).toBe(60_000_000);
        expect(total(lines)).toBe(totalMicroUsd);
      }),
    );
  });

  it('comes out the same whatever it is grouped by', () => {
    fc.assert(
      fc.property(intervals, (found) => {
        const by = (...groupBy: Parameters<typeof priceUsage>[2]['groupBy'][number][]) =>
          priceUsage(BOOK, usage(found), { ...NOVEMBER, groupBy }).totalMicroUsd;
        expect(new Set([by(), by('team'), by('day'), by('provider', 'state')]).size).toBe(1);
      }),
    );
  });

  it('is the same, line by line, when rows are merged that cost the same', () => {
    fc.assert(
      fc.property(intervals, fc.subarray([...COST_GROUPS]), (found, groupBy) => {
        const rows = usage(found);
        const options = { ...NOVEMBER, groupBy };
        expect(priceUsage(BOOK, mergeUsage(rows, groupBy), options)).toEqual(priceUsage(BOOK, rows, options));
      }),
    );
  });

  it('is the sum of the entries, to the micro-dollar, where no node is entitled beyond its memory', () => {
    const found: Interval[] = [
      {
        account: account(),
        state: 'running',
        fromMs: at('2026-11-02T09:00:01Z'),
        toMs: at('2026-11-03T18:30:07Z'),
      },
      {
        account: account(),
        state: 'paused',
        fromMs: at('2026-11-03T18:30:07Z'),
        toMs: at('2026-11-09T07:00:00Z'),
      },
      {
        account: nodeAccount(),
        state: 'running',
        fromMs: at('2026-11-02T09:13:00Z'),
        toMs: at('2026-11-29'),
      },
    ];
    const { lines } = priceUsage(BOOK, usage(found), { ...NOVEMBER, withNodes: false, groupBy: [] });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.microUsd).toBe(toMicroUsd(sum(found.map((entry) => priceEntry(BOOK, entry)))));
  });

  it('shares a node by entitlement on a day on which guests are entitled beyond its memory', () => {
    const hour = { fromMs: at('2026-11-02T10:00:00Z'), toMs: at('2026-11-02T11:00:00Z') };
    const big = { ...STANDARD_SIZE, memoryMib: 65_536 };
    const found: Interval[] = [
      { account: nodeAccount({ size: big, teamId: 'a' }), state: 'running', ...hour },
      { account: nodeAccount({ size: big, teamId: 'b' }), state: 'condemned', ...hour },
    ];
    const priced = priceUsage(BOOK, usage(found), { ...hour, withNodes: true, groupBy: ['team'] });
    const [a, b] = priced.lines.filter(({ kind }) => kind === 'allocated').map(({ microUsd }) => microUsd);
    // $60 over 720 hours.
    expect([a, b, priced.totalMicroUsd]).toEqual([41_667, 41_666, 83_333]);
  });

  it('names usage that the book has no price for, and counts it nowhere', () => {
    const found: Interval = {
      account: nodeAccount({ node: 'pve9' }),
      state: 'running',
      fromMs: at('2026-11-02'),
      toMs: at('2026-11-03'),
    };
    const priced = priceUsage(BOOK, usage([found]), { ...NOVEMBER, withNodes: false, groupBy: ['provider'] });
    expect(priced.totalMicroUsd).toBe(0);
    expect(priced.unpriced).toEqual([{ provider: 'pve-vm', node: 'pve9', ms: 86_400_000 }]);
  });

  it('costs a node for the days on which it is in the book, used or not', () => {
    const [node] = BOOK.nodes;
    if (node === undefined) throw new Error('the book has no node');
    const book = { ...BOOK, nodes: [{ ...node, untilDay: Math.floor(at('2026-11-11') / 86_400_000) }] };
    const { totalMicroUsd, lines } = priceUsage(book, [], { ...NOVEMBER, groupBy: ['provider'] });
    expect(totalMicroUsd).toBe(20_000_000);
    expect(lines.map(({ kind, group }) => [kind, group])).toEqual([
      ['idle', { node: 'pve1' }],
      ['shared', { node: 'pve1' }],
    ]);
  });
});
