/** What a terminal of a certain width is shown. */
import { describe, expect, it } from 'vitest';
import type { SweepRun, SweepView } from '../../src/core/sweep.ts';
import type { SandboxView } from '../../src/core/views.ts';
import { costsSheet } from '../../src/main/commands/costs.ts';
import { savingsSheet } from '../../src/main/commands/savings.ts';
import { describeSandboxes } from '../../src/main/describe-sandbox.ts';
import { describeSweeps } from '../../src/main/describe-sweeps.ts';
import { fold } from '../../src/main/fit.ts';
import { renderSheets } from '../../src/main/sheet.ts';

const SANDBOX: SandboxView = {
  id: 'sbx-01m80dtbevbjqkm3wn',
  state: 'destroying',
  provider: 'morph',
  providerId: 'morphvm_k2n8w4x1',
  endpoints: {},
  fellBackFrom: ['pve-vm'],
  cause: 'op-1',
  simulated: true,
  preset: '4vcpu_8gb_32gb',
  teamId: 'blue',
  taskRunId: 'jd7c3ry9t1r8f1z5qkz2m0',
  metadata: {},
  protected: false,
  onExpiry: 'pause',
  createdAtMs: 0,
  updatedAtMs: 0,
};
const AGE_MS = 12 * 60_000;

function headOf(width?: number): string[] {
  const lines = describeSandboxes([SANDBOX], AGE_MS, width).split('\n');
  if (width !== undefined) expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width);
  return (lines[0] ?? '').split(/ {2,}/);
}

describe('the list', () => {
  const whole = ['sandbox', 'state', 'provider', 'provider id', 'preset', 'team', 'task run', 'age'];

  it.each([
    ['nowhere in particular', undefined, whole],
    ['in a wide terminal', 160, whole],
    ['in 120 columns', 120, ['sandbox', 'state', 'provider', 'team', 'task run', 'age']],
    ['in 80 columns', 80, ['sandbox', 'state', 'provider']],
  ])('%s has the columns that fit, the least useful left out first', (_where, width, head) => {
    expect(headOf(width)).toEqual(head);
  });

  it('says in every width that a sandbox fell back and is simulated', () => {
    expect(describeSandboxes([SANDBOX], AGE_MS, 80)).toContain('fell back from pve-vm; simulated');
  });
});

describe('sweeps', () => {
  const lastRun: SweepRun = {
    runId: 'run-1',
    startedAtMs: 0,
    tookMs: 12,
    dryRun: false,
    counts: { due: 3, suspended: 2, waiting: 0, held: 0, protected: 0, shadow: 0 },
  };
  const sweep: SweepView = {
    name: 'renew-provider-ttl',
    description: 'renews',
    schedule: { everyMs: 15_000 },
    mayPause: true,
    nextAtMs: 20_000,
    lastRun,
    runs: [],
  };
  const failed = { ...sweep, lastRun: { ...lastRun, error: 'the folder is full, '.repeat(10) } };

  it.each([
    [200, ['sweep', 'schedule', 'next', 'last run', 'what it did'], 'suspended 2'],
    [120, ['sweep', 'next', 'last run', 'what it did'], 'suspended 2'],
    [80, ['sweep', 'next', 'last run'], '10 s ago, acted'],
  ])('in %i columns have what fits', (width, head, told) => {
    const lines = describeSweeps([sweep], 10_000, width).split('\n');
    expect((lines[0] ?? '').split(/ {2,}/)).toEqual(head);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width);
    expect(lines[1]).toContain(told);
  });

  it('tell long times as other tables do', () => {
    const nightly: SweepView = { ...sweep, schedule: { everyMs: 86_400_000 }, nextAtMs: 28_704_900 };
    const [, line] = describeSweeps([nightly], 10_000).split('\n');
    expect(line).toMatch(/every 1 d +in 7 h 58 min +10 s ago/);
  });

  it('that failed say so in every width', () => {
    expect(describeSweeps([failed], 10_000, 80)).toContain('10 s ago, failed');
  });
});

describe('money', () => {
  const range = (lowerMicroUsd: number, upperMicroUsd: number) => ({ lowerMicroUsd, upperMicroUsd });
  const savings = savingsSheet({ methods: [], comparedAtMs: 0 } as never, [
    {
      period: '2026-11',
      actualMicroUsd: 63_220_000,
      under: {
        all_on_morph: range(175_910_000, 175_910_000),
        no_idle_suspend: range(63_220_000, 187_320_000),
        old_rule: range(208_390_000, 850_010_000),
      },
      savedPercent: { all_on_morph: [64, 64], no_idle_suspend: [0, 66.3], old_rule: [69.7, 92.6] },
    } as never,
  ]);
  const costs = costsSheet({
    fromMs: 0,
    toMs: 0,
    groupBy: ['sandbox'],
    lines: [
      {
        kind: 'allocated',
        group: { sandbox: 'sbx-01m80dtbevbjqkm3wn' },
        microUsd: 1,
        ms: { running: 7.2e9, paused: 7.2e9 },
      },
    ],
    others: { lines: 0, microUsd: 0 },
    unpriced: [],
    totalMicroUsd: 1,
    pricesAsOf: '2026-11-01',
  } as never);

  it.each([
    ['savings', savings, 80, 'old rule'],
    ['costs', costs, 46, 'sbx-01m80dtbevbjqkm3wn'],
  ])('%s fit the terminal, and keep what matters most', (_what, sheet, width, kept) => {
    const text = renderSheets([sheet], 'table', width);
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(width);
    expect(text).toContain(kept);
    expect(renderSheets([sheet], 'table').length).toBeGreaterThan(text.length);
  });
});

describe('fold', () => {
  const line = '2026-01-01T00:00:00.000Z  operation.settled  kind=start  reason=no room';

  it.each([
    ['just fits', line.length, line],
    ['is one too long', line.length - 1, line.replace(' room', '\n    room')],
    ['is much too long', 45, line.replace('  kind', '\n    kind')],
  ])('a line that %s', (_case, width, folded) => {
    expect(fold(line, width, 4)).toBe(folded);
  });

  it('leaves a word whole that is too long, so that it can be copied', () => {
    const url = `https://${'a'.repeat(80)}.example.com`;
    expect(fold(`endpoint worker  ${url}`, 60, 17)).toContain(url);
  });
});
