/** Costs by sandbox are priced from columns and told for the dearest alone: the same money as `priceUsage` tells. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BILLING_STATES } from '../../src/core/price-book.ts';
import { type PricedSandboxes, priceSandboxes } from '../../src/core/sandbox-cost.ts';
import { rowsBySandbox, type SandboxUsage, type UsageKind } from '../../src/core/sandbox-usage.ts';
import type { CostGroup, CostLine } from '../../src/core/usage.ts';
import { priceUsage } from '../../src/core/usage-cost.ts';
import { account, at, BOOK, day, nodeAccount, STANDARD_SIZE } from './ledger-case.ts';

const NOVEMBER = { fromMs: at('2026-11-01'), toMs: at('2026-11-05'), withNodes: true };
const FIRST = day('2026-11-01');

/** Nodes that are full beyond their memory and nodes without a price too. */
const kinds = fc
  .record({
    of: fc.constantFrom(
      account(),
      account({ teamId: 'team-b', preset: 'small' }),
      nodeAccount(),
      nodeAccount({ teamId: 'team-b' }),
      nodeAccount({ node: 'pve9' }),
    ),
    memoryMib: fc.integer({ min: 128, max: 60_000 }),
    state: fc.constantFrom(...BILLING_STATES),
    dayOfMonth: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ of, memoryMib, state, dayOfMonth }): UsageKind => {
    const { guestId: _, sandboxId: __, ...dimensions } = of;
    return { ...dimensions, size: { ...STANDARD_SIZE, memoryMib }, state, day: FIRST + dayOfMonth };
  });

const SANDBOXES = Array.from({ length: 12 }, (_, index) => `sbx-${index}`);
const table = fc.array(kinds, { minLength: 1, maxLength: 5 }).chain((of) =>
  fc
    .array(
      fc.record({
        kind: fc.nat(of.length - 1),
        sandbox: fc.nat(SANDBOXES.length - 1),
        ms: fc.integer({ min: 1, max: 86_400_000 }),
      }),
      { maxLength: 30 },
    )
    .map((rows) => ({
      kinds: of,
      kind: Uint32Array.from(rows, (row) => row.kind),
      sandbox: Uint32Array.from(rows, (row) => row.sandbox),
      ms: Float64Array.from(rows, (row) => row.ms),
    })),
);
const usages = fc
  .array(table, { maxLength: 4 })
  .map((tables): SandboxUsage => ({ sandboxIds: SANDBOXES, tables }));
const groups = fc.constantFrom<readonly CostGroup[]>(
  ['sandbox'],
  ['sandbox', 'state'],
  ['team', 'sandbox', 'day'],
);

const sum = (lines: readonly CostLine[]) => lines.reduce((before, { microUsd }) => before + microUsd, 0);
const nameOf = ({ kind, group }: CostLine) => `${kind} ${JSON.stringify(group)}`;

function expectToAddUp({ totalMicroUsd, lines, beyond }: PricedSandboxes): void {
  expect(sum(lines) + beyond.microUsd).toBe(totalMicroUsd);
}

describe('costs by sandbox', () => {
  it('are those of every row by itself: total, nodes, what has no price, and each line to the micro-dollar', () => {
    fc.assert(
      fc.property(usages, groups, (usage, groupBy) => {
        const whole = priceUsage(BOOK, rowsBySandbox(usage), { ...NOVEMBER, groupBy });
        const priced = priceSandboxes(BOOK, usage, { ...NOVEMBER, groupBy, limit: 10_000 });
        const { totalMicroUsd, nodes, lines, beyond } = priced;
        expect({ totalMicroUsd, nodes, beyond }).toEqual({
          totalMicroUsd: whole.totalMicroUsd,
          nodes: whole.nodes,
          beyond: { lines: 0, microUsd: 0 },
        });
        expect(new Set(priced.unpriced)).toEqual(new Set(whole.unpriced));
        expectToAddUp(priced);
        const expected = new Map(whole.lines.map((line) => [nameOf(line), line]));
        expect(new Set(lines.map(nameOf))).toEqual(new Set(expected.keys()));
        for (const line of lines) {
          const other = expected.get(nameOf(line));
          expect(line.ms).toEqual(other?.ms);
          // Which of several lines gets a micro-dollar that rounding left over is nobody's business.
          expect(Math.abs(line.microUsd - (other?.microUsd ?? Number.NaN))).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('are told for the dearest lines, and the others add up with them to the total', () => {
    fc.assert(
      fc.property(usages, groups, fc.integer({ min: 1, max: 8 }), (usage, groupBy, limit) => {
        const options = { ...NOVEMBER, withNodes: false, groupBy };
        const whole = priceUsage(BOOK, rowsBySandbox(usage), options);
        const priced = priceSandboxes(BOOK, usage, { ...options, limit });
        expect(priced.totalMicroUsd).toBe(whole.totalMicroUsd);
        expect(priced.lines).toHaveLength(Math.min(limit, whole.lines.length));
        expect(priced.beyond.lines).toBe(whole.lines.length - priced.lines.length);
        expectToAddUp(priced);
        for (const [index, { microUsd }] of priced.lines.entries()) {
          expect(Math.abs(microUsd - (whole.lines[index]?.microUsd ?? 0))).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('of one team are those of its rows alone', () => {
    fc.assert(
      fc.property(usages, (usage) => {
        const options = { ...NOVEMBER, withNodes: false, groupBy: ['sandbox'] } as const;
        const rows = rowsBySandbox(usage).filter(({ teamId }) => teamId === 'team-b');
        const whole = priceUsage(BOOK, rows, options);
        const priced = priceSandboxes(BOOK, usage, { ...options, limit: 100, teamId: 'team-b' });
        expect(priced.totalMicroUsd).toBe(whole.totalMicroUsd);
        expect(new Set(priced.lines.map(nameOf))).toEqual(new Set(whole.lines.map(nameOf)));
      }),
    );
  });
});
