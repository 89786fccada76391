import { describe, expect, it } from 'vitest';
import {
  decideExpiry,
  EXPIRY_LOOK_REFUSED_MS,
  EXPIRY_QUIET_MS,
  type ExpiryInput,
} from '../../src/core/expiry.ts';
import { decideRetention, RETENTION_CONFIRM_MS, type RetentionInput } from '../../src/core/retention.ts';
import { activity, HOUR_MS, heldBy, MINUTE_MS, NOW_MS, QUIET_COUNTERS } from './idle-case.ts';

const DAY_MS = 24 * HOUR_MS;

function expiry(more: Partial<ExpiryInput> = {}): ExpiryInput {
  return {
    state: 'running',
    provider: 'morph',
    protection: 'none',
    expiresAtMs: NOW_MS,
    onExpiry: 'pause',
    activity: activity(),
    nowMs: NOW_MS,
    ...more,
  };
}

describe('a time to live', () => {
  it.each([
    ['just not over', NOW_MS + 1, 'wait'],
    ['over', NOW_MS, 'pause'],
  ])('%s', (_name, expiresAtMs, verdict) => {
    expect(decideExpiry(expiry({ expiresAtMs })).verdict).toBe(verdict);
  });

  it('that was taken away expires nothing', () => {
    expect(decideExpiry(expiry({ expiresAtMs: undefined })).verdict).toBe('done');
  });

  it.each<[string, Partial<ExpiryInput>, string]>([
    ['is held', { activity: activity({ holds: [heldBy('run-7', NOW_MS + MINUTE_MS)] }) }, 'wait'],
    ['was used a moment ago', usedAgo(EXPIRY_QUIET_MS - 1), 'wait'],
    ['was used a while ago', usedAgo(EXPIRY_QUIET_MS), 'pause'],
    [
      'shows work',
      { activity: activity({ counters: { latest: { ...QUIET_COUNTERS.latest, cpuShare: 0.9 } } }) },
      'wait',
    ],
    ['is protected', { protection: 'protected' }, 'wait'],
    ['may be protected', { protection: 'unknown' }, 'wait'],
    ['is paused already', { state: 'paused' }, 'wait'],
  ])(
    'pain 11, a pause at the end of an hour interrupts no agent at work: one that %s',
    (_name, more, verdict) => {
      expect(decideExpiry(expiry(more)).verdict).toBe(verdict);
    },
  );

  it('a container whose memory is to be kept is not tried every ten minutes: its pause would be refused each time', () => {
    const kept = expiry({ provider: 'pve-lxc', requiresRamSnapshot: true });
    const decided = decideExpiry(kept);
    expect(decided).toMatchObject({ verdict: 'wait', lookAgainAtMs: NOW_MS + EXPIRY_LOOK_REFUSED_MS });
    expect(decided.reason).toContain('pve-lxc cannot keep it');
    expect(decideExpiry({ ...kept, provider: 'pve-vm' }).verdict).toBe('pause');
    expect(decideExpiry({ ...kept, onExpiry: 'destroy' }).verdict).toBe('destroy');
  });

  it('a container whose signals are missing is not stopped, a VM is suspended: the caller asked for it', () => {
    const { counters: _none, ...unread } = activity();
    expect(decideExpiry(expiry({ provider: 'pve-lxc', activity: unread })).verdict).toBe('wait');
    expect(decideExpiry(expiry({ provider: 'pve-vm', activity: unread })).verdict).toBe('pause');
  });

  it.each<[string, Partial<ExpiryInput>, string]>([
    ['running', {}, 'destroy'],
    ['running and used', usedAgo(0), 'destroy'],
    ['running and held', { activity: activity({ holds: [heldBy('run-7', NOW_MS + 1)] }) }, 'wait'],
    ['paused', { state: 'paused' }, 'destroy'],
    ['protected', { protection: 'protected' }, 'wait'],
    ['perhaps protected', { protection: 'unknown' }, 'wait'],
  ])('with onExpiry destroy destroys what is %s, unless somebody vouches for it', (_name, more, verdict) => {
    expect(decideExpiry(expiry({ onExpiry: 'destroy', ...more })).verdict).toBe(verdict);
  });
});

function usedAgo(ms: number): Partial<ExpiryInput> {
  return { activity: activity({ lastActivity: { atMs: NOW_MS - ms, what: 'touch' } }) };
}

function retention(more: Partial<RetentionInput> = {}): RetentionInput {
  return {
    state: 'paused',
    version: 3,
    protection: 'none',
    stampsMs: [NOW_MS - 40 * DAY_MS, NOW_MS - 15 * DAY_MS],
    retainPausedMs: 14 * DAY_MS,
    nowMs: NOW_MS,
    ...more,
  };
}

const CONFIRMED = { dueSinceMs: NOW_MS - RETENTION_CONFIRM_MS, version: 3 };

describe('a sandbox that was paused long ago', () => {
  it.each<[string, Partial<RetentionInput>, string]>([
    ['at the first look that finds it due', {}, 'keep'],
    ['at a second look too soon', { watch: { ...CONFIRMED, dueSinceMs: CONFIRMED.dueSinceMs + 1 } }, 'keep'],
    ['at a second look an hour later', { watch: CONFIRMED }, 'destroy'],
    ['when its record changed in between', { watch: CONFIRMED, version: 4 }, 'keep'],
    ['when it is protected', { watch: CONFIRMED, protection: 'protected' }, 'keep'],
    ['when nobody knows whether it is', { watch: CONFIRMED, protection: 'unknown' }, 'keep'],
    ['when the policy keeps them', { watch: CONFIRMED, retainPausedMs: 'never' }, 'keep'],
    ['when it runs again', { watch: CONFIRMED, state: 'running' }, 'done'],
  ])('%s: %s', (_name, more, verdict) => {
    expect(decideRetention(retention(more)).verdict).toBe(verdict);
  });

  it.each([
    ['just under the limit', 14 * DAY_MS - 1, 'keep'],
    ['exactly at it', 14 * DAY_MS, 'destroy'],
  ])('pain 10, counts from the latest of all stamps, whichever that is: %s', (_name, ageMs, verdict) => {
    const others = [NOW_MS - 90 * DAY_MS, NOW_MS - 60 * DAY_MS];
    for (const place of [0, 1, 2]) {
      const stampsMs = others.toSpliced(place, 0, NOW_MS - ageMs);
      expect(decideRetention(retention({ stampsMs, watch: CONFIRMED })).verdict).toBe(verdict);
    }
  });

  it('pain 9, what has no known age is kept', () => {
    for (const stampsMs of [[], [undefined], [NOW_MS - 90 * DAY_MS, undefined], [Number.NaN]]) {
      expect(decideRetention(retention({ stampsMs, watch: CONFIRMED })).verdict).toBe('keep');
    }
  });

  it('says when it will be destroyed if nothing happens', () => {
    const { destroyAtMs } = decideRetention(retention({ stampsMs: [NOW_MS - DAY_MS] })) as {
      destroyAtMs?: number;
    };
    expect(destroyAtMs).toBe(NOW_MS + 13 * DAY_MS + RETENTION_CONFIRM_MS);
  });
});
