/** What a terminal of a certain width is shown. */
import { describe, expect, it } from 'vitest';
import type { SandboxView } from '../../src/core/views.ts';
import { describeSandboxes } from '../../src/main/describe-sandbox.ts';
import { fold } from '../../src/main/fit.ts';

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
