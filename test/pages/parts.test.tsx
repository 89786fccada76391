import { describe, expect, it, test } from 'vitest';
import type { MonthView } from '../../src/dashboard/costs/costs-view.ts';
import { describeFailures } from '../../src/dashboard/failure-summary.ts';
import type { ProviderCard } from '../../src/dashboard/fleet/fleet-view.ts';
import { CapacitySection } from '../../src/dashboard/pages/capacity-section.tsx';
import { CostHeadline } from '../../src/dashboard/pages/cost-headline.tsx';
import { duration, size } from '../../src/dashboard/pages/format.ts';
import { Remedy } from '../../src/dashboard/pages/parts.tsx';

describe('amounts', () => {
  it.each([
    [999, 'now'],
    [1_000, '1 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3_599_999, '59 min'],
    [3_600_000, '1 h'],
    [3_660_000, '1 h 1 min'],
    [86_400_000, '1 d'],
    [90_000_000, '1 d 1 h'],
  ])('%d ms is %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it.each([
    [0, '0 MiB'],
    [1_023, '1023 MiB'],
    [1_024, '1 GiB'],
    [12_800, '12.5 GiB'],
    [102_400, '100 GiB'],
    [1_048_576, '1 TiB'],
  ])('%d MiB is %s', (mib, text) => {
    expect(size(mib)).toBe(text);
  });
});

describe('failed attempts', () => {
  it.each([
    [{ total: 37, read: 37, carriedOn: 36 }, '37 failed attempts: 36 carried on elsewhere, 1 for you.'],
    [{ total: 1, read: 1, carriedOn: 1 }, '1 failed attempt: 1 carried on elsewhere, 0 for you.'],
    [
      { total: 900, read: 200, carriedOn: 150 },
      '900 failed attempts; of the newest 200: 150 carried on elsewhere, 50 for you.',
    ],
  ])('%j', (counts, text) => {
    expect(describeFailures(counts)).toBe(text);
  });
});

describe('the headline of costs', () => {
  const headline = (spentMicroUsd: number, onMorphMicroUsd: number, nodes: MonthView['nodes']) => {
    const forecast = { expectedMicroUsd: 0, lowerMicroUsd: 0, upperMicroUsd: 0 };
    const month = { spentMicroUsd, onMorphMicroUsd, nodes, forecast, perHourMicroUsd: 0 };
    return String(<CostHeadline month={month as unknown as MonthView} />);
  };
  const node = {
    node: 'pve1',
    costMicroUsd: 58_000_000,
    allocatedMicroUsd: 0,
    idleMicroUsd: 58_000_000,
    sharedMicroUsd: 0,
  };

  it('says what was saved as a share of what Morph would have cost', () => {
    const html = headline(58_000_000, 232_000_000, [node]);
    expect(html).toContain('Saved against Morph alone');
    expect(html).toContain('75 % of the $232.00 that Morph would have cost');
  });

  it('says why a node costs more than Morph would have, and no share of next to nothing', () => {
    const html = headline(58_000_000, 4_000, [node]);
    expect(html).toContain('More than Morph alone');
    expect(html).toContain('a node costs the whole month, whatever runs on it');
    expect(html).not.toContain('%');
  });
});

describe('capacity', () => {
  const card: ProviderCard = {
    name: 'pve-vm',
    failureDomain: 'pve',
    simulated: false,
    healthy: true,
    detail: 'Proxmox VE 9',
    breaker: 'closed',
    publishedAtMs: 0,
    queue: { waiting: 0, active: 0, delayed: 0, failed: 0 },
  };
  const capacity = {
    nodes: [
      { node: 'n1', online: false, cordoned: false, memoryMib: 1_024, usedMib: 2_048, reservedMib: 512 },
    ],
    storages: [],
  };
  const render = (providers: readonly ProviderCard[]) =>
    String(<CapacitySection providers={providers} atMs={1} />);

  test('what no worker has published yet is said so', () => {
    expect(render([card])).toContain('Capacity: not published yet.');
  });

  test('two kinds of guests on the same machines show them once', () => {
    const both = render([
      { ...card, capacity },
      { ...card, name: 'pve-lxc', capacity },
    ]);
    expect(both.match(/memory of n1/g)).toHaveLength(1);
    expect(both).toContain('pve-lxc');
  });

  test('more used than there is fills the bar and no more', () => {
    const html = render([{ ...card, capacity }]);
    expect(html).toContain('<rect class="full" width="100.00"');
    expect(html).toContain('room for 0 MiB');
    expect(html).toContain('offline');
  });
});

test('a command is there to be copied, advice is a sentence', () => {
  expect(String(<Remedy id="r" text="qm unlock 20003" />)).toContain('data-copy="r"');
  expect(String(<Remedy id="r" text="Look whether it runs." />)).not.toContain('data-copy');
});
