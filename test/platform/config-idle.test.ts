import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DEFAULT_IDLE_POLICY } from '../../src/core/idle-policy.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { isConfigError } from '../../src/platform/config-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-idle-'));
const file = join(folder, 'policy.json');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function policyFrom(variables: Readonly<Record<string, string>>, content?: unknown) {
  if (content === undefined) return loadConfig(variables).idlePolicy;
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return loadConfig({ ...variables, IDLE_POLICY_FILE: file }).idlePolicy;
}

function complaints(variables: Readonly<Record<string, string>>, content?: unknown): readonly string[] {
  try {
    policyFrom(variables, content);
  } catch (error) {
    if (isConfigError(error)) return error.problems.map(({ setting }) => setting);
    throw error;
  }
  throw new Error('the policy was accepted');
}

describe('the policy for idle sandboxes', () => {
  it('is shadow mode with the built-in limits when nothing is set', () => {
    expect(policyFrom({})).toEqual(DEFAULT_IDLE_POLICY);
    expect(DEFAULT_IDLE_POLICY.mode).toBe('shadow');
  });

  it('takes mode, limits by provider and days from variables', () => {
    const policy = policyFrom({
      IDLE_MODE: 'enforce',
      IDLE_AFTER_SECONDS: 'pve-vm:600',
      IDLE_UNKNOWN_AFTER_SECONDS: 'morph:1200',
      IDLE_RETAIN_PAUSED_DAYS: '3',
      IDLE_ENFORCE_UNPROVEN: 'true',
    });
    expect(policy).toMatchObject({
      mode: 'enforce',
      afterMs: { ...DEFAULT_IDLE_POLICY.afterMs, 'pve-vm': 600_000 },
      unknownAfterMs: { ...DEFAULT_IDLE_POLICY.unknownAfterMs, morph: 1_200_000 },
      retainPausedMs: 3 * 86_400_000,
      gate: { skip: true },
    });
  });

  it('takes rules from a file, before the built-in ones', () => {
    const rule = { teamId: 'a', provider: 'pve-lxc', idleAfterSeconds: 'never' };
    const policy = policyFrom({}, { rules: [rule], retainPausedDays: 'never', minSuspended: 5 });
    expect(policy.rules).toEqual([
      { teamId: 'a', provider: 'pve-lxc', afterMs: 'never' },
      ...DEFAULT_IDLE_POLICY.rules,
    ]);
    expect(policy).toMatchObject({ retainPausedMs: 'never', gate: { minSuspended: 5 } });
  });

  it('tells all problems at once, each with its place', () => {
    const content = {
      idleAfterSeconds: { 'pve-vm': 5 },
      rules: [{ idleAfterSeconds: 60, tema: 'a' }],
      more: 1,
    };
    const found = complaints({ IDLE_MODE: 'on', IDLE_AFTER_SECONDS: 'vm:60' }, content);
    expect(found).toEqual(
      expect.arrayContaining([
        'IDLE_MODE',
        'IDLE_AFTER_SECONDS',
        'IDLE_POLICY_FILE › idleAfterSeconds › pve-vm',
        'IDLE_POLICY_FILE › rules › 0',
        'IDLE_POLICY_FILE',
      ]),
    );
  });

  it('refuses to let the unknown pause a container', () => {
    expect(complaints({ IDLE_UNKNOWN_AFTER_SECONDS: 'pve-lxc:60' })).toEqual(['IDLE_UNKNOWN_AFTER_SECONDS']);
    expect(complaints({}, { unknownAfterSeconds: { 'pve-lxc': 60 } })).toEqual([
      'IDLE_POLICY_FILE › unknownAfterSeconds',
    ]);
  });

  it('refuses a limit that is given twice', () => {
    expect(complaints({ IDLE_AFTER_SECONDS: 'morph:60' }, { idleAfterSeconds: { morph: 90 } })).toEqual([
      'IDLE_AFTER_SECONDS',
    ]);
  });

  it('refuses a file that is none', () => {
    expect(complaints({}, 'no json')).toEqual(['IDLE_POLICY_FILE']);
    expect(complaints({ IDLE_POLICY_FILE: join(folder, 'nowhere.json') })).toEqual(['IDLE_POLICY_FILE']);
  });
});
