import { describe, expect, it } from 'vitest';
import {
  DEFAULT_IDLE_POLICY,
  type IdleRule,
  type IdleSubject,
  idleThreshold,
  unknownThreshold,
} from '../../src/core/idle-policy.ts';
import { HOUR_MS, MINUTE_MS } from './idle-case.ts';

const policyWith = (...rules: IdleRule[]) => ({ ...DEFAULT_IDLE_POLICY, rules });

describe('the threshold of idleness', () => {
  it.each<[string, IdleSubject, number]>([
    ['a VM', { provider: 'pve-vm' }, 15 * MINUTE_MS],
    ['a container, whose pause loses memory', { provider: 'pve-lxc' }, 24 * HOUR_MS],
    ['a quick task', { provider: 'morph', workloadType: 'quick-task' }, 5 * MINUTE_MS],
    [
      'a quick task in a container: the rule names none',
      { provider: 'pve-lxc', workloadType: 'quick-task' },
      24 * HOUR_MS,
    ],
    ['a wish of the caller', { provider: 'pve-vm', idleTimeoutSeconds: 120 }, 2 * MINUTE_MS],
    [
      'a wish that would stop a container early',
      { provider: 'pve-lxc', idleTimeoutSeconds: 120 },
      24 * HOUR_MS,
    ],
    [
      'a wish that stops a container later',
      { provider: 'pve-lxc', idleTimeoutSeconds: 360_000 },
      100 * HOUR_MS,
    ],
  ])('by default: %s', (_name, subject, afterMs) => {
    expect(idleThreshold(DEFAULT_IDLE_POLICY, subject).afterMs).toBe(afterMs);
  });

  it('is that of the rule which names most: team before workload before provider', () => {
    const rules: IdleRule[] = [
      { provider: 'pve-vm', afterMs: 1 },
      { workloadType: 'dev', afterMs: 2 },
      { workloadType: 'dev', provider: 'pve-vm', afterMs: 3 },
      { teamId: 'a', afterMs: 4 },
      { teamId: 'a', provider: 'pve-lxc', afterMs: 5 },
    ];
    const of = (subject: IdleSubject) => idleThreshold(policyWith(...rules), subject);
    expect(of({ provider: 'pve-vm' })).toEqual({ afterMs: 1, from: 'pve-vm' });
    expect(of({ provider: 'morph', workloadType: 'dev' })).toEqual({ afterMs: 2, from: 'workload dev' });
    expect(of({ provider: 'pve-vm', workloadType: 'dev' })).toEqual({
      afterMs: 3,
      from: 'workload dev, pve-vm',
    });
    expect(of({ provider: 'pve-vm', workloadType: 'dev', teamId: 'a' })).toEqual({
      afterMs: 4,
      from: 'team a',
    });
    expect(of({ provider: 'pve-lxc', workloadType: 'dev', teamId: 'a' })).toEqual({
      afterMs: 5,
      from: 'team a, pve-lxc',
    });
  });

  it('is that of the first of two rules that name as much', () => {
    const policy = policyWith({ teamId: 'a', afterMs: 1 }, { teamId: 'a', afterMs: 2 });
    expect(idleThreshold(policy, { provider: 'morph', teamId: 'a' }).afterMs).toBe(1);
  });

  it('"never" is not overruled by the caller', () => {
    const policy = policyWith({ teamId: 'a', afterMs: 'never' });
    expect(idleThreshold(policy, { provider: 'morph', teamId: 'a', idleTimeoutSeconds: 60 }).afterMs).toBe(
      'never',
    );
  });
});

describe('the threshold of the unknown', () => {
  it('is never shorter than that of idleness', () => {
    const policy = policyWith({ teamId: 'a', afterMs: 9 * HOUR_MS });
    expect(unknownThreshold(policy, { provider: 'morph', teamId: 'a' }).afterMs).toBe(9 * HOUR_MS);
    expect(unknownThreshold(policy, { provider: 'morph' }).afterMs).toBe(2 * HOUR_MS);
  });

  it('has no end where memory would be lost, whatever the table says', () => {
    const policy = { ...DEFAULT_IDLE_POLICY, unknownAfterMs: { 'pve-vm': 1, 'pve-lxc': 1, morph: 1 } };
    expect(unknownThreshold(policy, { provider: 'pve-lxc' }).afterMs).toBe('never');
  });
});
