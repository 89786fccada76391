import { describe, expect, it } from 'vitest';
import {
  closeEpisode,
  decideGate,
  type Episode,
  openEpisode,
  REGRET_WITHIN_MS,
  regretRate,
} from '../../src/core/idle-episode.ts';
import { DEFAULT_IDLE_POLICY } from '../../src/core/idle-policy.ts';
import { HOUR_MS, MINUTE_MS, NOW_MS } from './idle-case.ts';

const { gate } = DEFAULT_IDLE_POLICY;
const episode = { mode: 'shadow', sinceMs: NOW_MS, countedMs: NOW_MS } as const;

describe('an episode', () => {
  it('counts once, and saves time from look to look', () => {
    const first = openEpisode(undefined, 'shadow', NOW_MS);
    expect(first.counts).toEqual({ suspended: 1, savedMs: 0, usedAgain: 0 });
    const second = openEpisode(first.episode, 'shadow', NOW_MS + MINUTE_MS);
    expect(second.counts).toEqual({ suspended: 0, savedMs: MINUTE_MS, usedAgain: 0 });
    const usedAtMs = NOW_MS + 90_000;
    expect(closeEpisode(second.episode as Episode, NOW_MS + HOUR_MS, usedAtMs)).toEqual({
      suspended: 0,
      savedMs: 30_000,
      usedAgain: 1,
    });
  });

  it.each([
    ['just within ten minutes', REGRET_WITHIN_MS - 1, 1],
    ['ten minutes later', REGRET_WITHIN_MS, 0],
  ])('used again %s: %s regret', (_name, afterMs, usedAgain) => {
    expect(closeEpisode(episode, NOW_MS + afterMs, NOW_MS + afterMs).usedAgain).toBe(usedAgain);
  });

  it('that ended without being used again is no regret', () => {
    expect(closeEpisode(episode, NOW_MS + 1, undefined).usedAgain).toBe(0);
  });

  it('in shadow saves nothing while nobody looked, in deed all of it', () => {
    const usedAtMs = NOW_MS + HOUR_MS;
    expect(closeEpisode(episode, usedAtMs, usedAtMs).savedMs).toBe(5 * MINUTE_MS);
    expect(closeEpisode({ ...episode, mode: 'enforce' }, usedAtMs, usedAtMs).savedMs).toBe(HOUR_MS);
  });

  it('begins anew when the mode changes: what was in thought is now in deed', () => {
    const { episode: begun, counts } = openEpisode(episode, 'enforce', NOW_MS + HOUR_MS);
    expect([begun?.sinceMs, counts.suspended]).toEqual([NOW_MS + HOUR_MS, 1]);
  });
});

describe('the gate to enforce', () => {
  it.each([
    ['too few suspensions were seen', gate.minSuspended - 1, 0, 'shadow'],
    ['enough, none regretted', gate.minSuspended, 0, 'enforce'],
    ['as many regretted as allowed', 100, 5, 'enforce'],
    ['one more', 100, 6, 'shadow'],
  ] as const)('%s', (_name, suspended, usedAgain, mode) => {
    const decided = decideGate('enforce', { suspended, usedAgain, savedMs: 0 }, gate);
    expect(decided.mode).toBe(mode);
    expect(decided.heldBack === undefined).toBe(mode === 'enforce');
  });

  it('is open to whoever skips it in so many words', () => {
    expect(
      decideGate('enforce', { suspended: 0, usedAgain: 0, savedMs: 0 }, { ...gate, skip: true }).mode,
    ).toBe('enforce');
  });

  it('leaves the other modes alone', () => {
    const counts = { suspended: 100, usedAgain: 100, savedMs: 0 };
    expect(decideGate('shadow', counts, gate)).toEqual({ mode: 'shadow', configured: 'shadow' });
    expect(decideGate('off', counts, gate)).toEqual({ mode: 'off', configured: 'off' });
  });

  it('has no rate before the first suspension', () => {
    expect(regretRate({ suspended: 0, usedAgain: 0, savedMs: 0 })).toBeUndefined();
    expect(regretRate({ suspended: 4, usedAgain: 1, savedMs: 0 })).toBe(0.25);
  });
});
