import { describe, expect, it } from 'vitest';
import type { AgentWork } from '../../src/core/activity.ts';
import { SIGNAL_MISSING_AFTER_MS } from '../../src/core/idle-signals.ts';
import {
  decideIdleness,
  type IdleInput,
  LOOK_EVERY_MS,
  MAX_UNWATCHED_MS,
  OPEN_AGENT_MS,
} from '../../src/core/idleness.ts';
import {
  activity,
  HOUR_MS,
  heldBy,
  idleInput,
  MINUTE_MS,
  NOW_MS,
  QUIET_COUNTERS,
  subject,
  watchedFor,
} from './idle-case.ts';

const LIMIT_MS = 15 * MINUTE_MS;
const heartbeat = { atMs: NOW_MS - 20_000, agentProcesses: 0, loadPerCpu: 0.01, openConnections: 0 };

describe('a quiet sandbox', () => {
  it.each([
    ['just under the limit', LIMIT_MS - 1, 'watching'],
    ['exactly at it', LIMIT_MS, 'suspend'],
    ['beyond it', LIMIT_MS + HOUR_MS, 'suspend'],
  ])('%s', (_name, quietMs, verdict) => {
    const decided = decideIdleness(idleInput({ watch: watchedFor(quietMs) }));
    expect(decided).toMatchObject({ verdict, suspendAtMs: NOW_MS - quietMs + LIMIT_MS });
  });

  it('is never suspended at the first look, however long ago it was used', () => {
    const { watch: _none, ...unseen } = idleInput();
    expect(decideIdleness(unseen)).toMatchObject({
      verdict: 'watching',
      rule: 'quiet',
      suspendAtMs: NOW_MS + LIMIT_MS,
      watch: { quietSinceMs: NOW_MS },
    });
  });

  it.each([
    ['a look that was the longest time ago', MAX_UNWATCHED_MS, 'suspend'],
    ['one a moment longer ago: what came meanwhile may be lost', MAX_UNWATCHED_MS + 1, 'watching'],
  ])('goes on being watched after %s', (_name, agoMs, verdict) => {
    const watch = watchedFor(HOUR_MS, { lookedAtMs: NOW_MS - agoMs });
    expect(decideIdleness(idleInput({ watch })).verdict).toBe(verdict);
  });

  it.each([
    ['long ago', NOW_MS - 2 * HOUR_MS, 'suspend'],
    ['within its limit', NOW_MS - LIMIT_MS + 1, 'watching'],
  ])(
    'counts from when the registry was last in doubt, if that was %s',
    (_name, distrustBeforeMs, verdict) => {
      expect(decideIdleness(idleInput({ distrustBeforeMs })).verdict).toBe(verdict);
    },
  );

  it('is watched anew when the clock was set back', () => {
    const watch = watchedFor(HOUR_MS, { lookedAtMs: NOW_MS + 1 });
    expect(decideIdleness(idleInput({ watch }))).toMatchObject({
      verdict: 'watching',
      watch: { quietSinceMs: NOW_MS },
    });
  });

  it('counts from a sign of activity between two looks, to the moment', () => {
    const lastActivity = { atMs: NOW_MS - 20_000, what: 'touch' };
    const decided = decideIdleness(idleInput({ activity: activity({ sequence: 5, lastActivity }) }));
    expect(decided).toMatchObject({ verdict: 'watching', suspendAtMs: NOW_MS - 20_000 + LIMIT_MS });
  });

  it('counts a new sign as from the last look at least, whatever clock stamped it', () => {
    const lastActivity = { atMs: NOW_MS - 3 * HOUR_MS, what: 'touch' };
    const decided = decideIdleness(idleInput({ activity: activity({ sequence: 5, lastActivity }) }));
    expect(decided.suspendAtMs).toBe(NOW_MS - MINUTE_MS + LIMIT_MS);
  });

  it('is looked at again at its limit, or after an interval if that comes first', () => {
    const soon = decideIdleness(idleInput({ watch: watchedFor(LIMIT_MS - 1_000) }));
    expect(soon.lookAgainAtMs).toBe(NOW_MS + 1_000);
    const later = decideIdleness(idleInput({ watch: watchedFor(0) }));
    expect(later.lookAgainAtMs).toBe(NOW_MS + LOOK_EVERY_MS);
  });
});

describe('what keeps a sandbox awake', () => {
  it('a hold, which says by whom and until when', () => {
    const holds = [heldBy('run-7', NOW_MS + 10 * MINUTE_MS)];
    expect(decideIdleness(idleInput({ activity: activity({ holds }) }))).toMatchObject({
      verdict: 'awake',
      rule: 'held',
      heldBy: holds,
      suspendAtMs: NOW_MS + 10 * MINUTE_MS + LIMIT_MS,
    });
  });

  it('the end of a hold begins the idleness', () => {
    const lastActivity = { atMs: NOW_MS - MINUTE_MS, what: 'the end of the hold by run-7' };
    const decided = decideIdleness(idleInput({ activity: activity({ lastActivity }) }));
    expect(decided.suspendAtMs).toBe(NOW_MS - MINUTE_MS + LIMIT_MS);
  });

  it.each<[string, Partial<IdleInput['activity']>, string]>([
    ['an agent that nobody measured', { heartbeat: { ...heartbeat, agentProcesses: 1 } }, 'awake'],
    ['an agent that computes', agentsOf({ cpuShare: 0.02 }), 'awake'],
    ['an agent that streams', agentsOf({ bytesPerSecond: 50 }), 'awake'],
    ['an agent at its prompt', agentsOf({ cpuShare: 0.019, bytesPerSecond: 49 }), 'suspend'],
    ['an agent that has gone', agentsOf({ cpuShare: 1 }, 0), 'suspend'],
    ['load', { heartbeat: { ...heartbeat, loadPerCpu: 0.2 } }, 'awake'],
    ['an open connection alone', { heartbeat: { ...heartbeat, openConnections: 3 } }, 'suspend'],
    ['a processor at work', countersOf({ cpuShare: 0.1 }), 'awake'],
    ['a processor that waits', countersOf({ cpuShare: 0.09 }), 'suspend'],
    ['traffic of an agent', countersOf({ networkBytes: 4_000 + 60 * 20_000 }), 'awake'],
    ['traffic of a tab', countersOf({ networkBytes: 4_000 + 60 * 3_000 }), 'suspend'],
    ['counters that began anew', countersOf({ networkBytes: 0 }), 'suspend'],
  ])('%s: %s', (_name, more, verdict) => {
    expect(decideIdleness(idleInput({ activity: activity(more) })).verdict).toBe(verdict);
  });

  it('work that a heartbeat showed between two looks counts as from then', () => {
    const seen = activity({ sequence: 5, workSeenAtMs: NOW_MS - 30_000, heartbeat });
    expect(decideIdleness(idleInput({ activity: seen })).suspendAtMs).toBe(NOW_MS - 30_000 + LIMIT_MS);
  });
});

describe('an agent left open at its prompt', () => {
  const open = agentsOf({ cpuShare: 0.004, bytesPerSecond: 12 }, 2);
  const impatient = { ...idleInput().subject, idleTimeoutSeconds: 60 };

  it.each([
    ['just under the longest call to a model', OPEN_AGENT_MS - 1, 'watching'],
    ['beyond it', OPEN_AGENT_MS, 'suspend'],
  ])('is waited for where the limit is shorter: %s', (_name, quietMs, verdict) => {
    const watch = watchedFor(quietMs);
    const decided = decideIdleness(idleInput({ subject: impatient, activity: activity(open), watch }));
    expect(decided).toMatchObject({ verdict, threshold: { afterMs: OPEN_AGENT_MS, from: 'an open agent' } });
  });

  it('waits no longer than anything else where the limit is longer, and never shortens one', () => {
    const decided = decideIdleness(idleInput({ activity: activity(open) }));
    expect(decided.threshold).toEqual({ afterMs: LIMIT_MS, from: 'pve-vm' });
  });

  it('counts from when it was last seen at work, and the receipt says so', () => {
    const workSeenAtMs = NOW_MS - 10 * MINUTE_MS;
    const decided = decideIdleness(idleInput({ activity: activity({ ...open, workSeenAtMs }) }));
    expect(decided).toMatchObject({ verdict: 'watching', suspendAtMs: workSeenAtMs + LIMIT_MS });
    expect(decided.observed.find(({ what }) => what === 'heartbeat')?.detail).toBe(
      '2 agents open, none at work since 2026-01-10T11:50Z (0.4 % of a processor, 12 bytes/s), ' +
        'load 0.01 per processor, 0 open connections',
    );
  });

  it.each([
    ['at work', agentsOf({ cpuShare: 0.35, bytesPerSecond: 2_100 }), '1 agent open, at work (35.0 % of a'],
    [
      'not measured',
      { heartbeat: { ...heartbeat, agentProcesses: 1 } },
      '1 agent open, what they do was not',
    ],
    ['gone', { heartbeat }, 'no agent open, load'],
  ])('its receipt says when it is %s', (_name, more, detail) => {
    expect(decideIdleness(idleInput({ activity: activity(more) })).observed).toContainEqual(
      expect.objectContaining({ what: 'heartbeat', detail: expect.stringContaining(detail) }),
    );
  });
});

describe('what cannot be observed', () => {
  const silent = { ...heartbeat, atMs: NOW_MS - SIGNAL_MISSING_AFTER_MS - 1 };

  it.each([
    ['heard just in time', SIGNAL_MISSING_AFTER_MS, 'idle'],
    ['a moment too late', SIGNAL_MISSING_AFTER_MS + 1, 'signals_missing'],
  ])('begins with a heartbeat %s', (_name, ageMs, rule) => {
    const seen = activity({ heartbeat: { ...heartbeat, atMs: NOW_MS - ageMs } });
    expect(decideIdleness(idleInput({ activity: seen })).rule).toBe(rule);
  });

  it.each([
    ['just under two hours', 2 * HOUR_MS - 1, 'watching'],
    ['two hours', 2 * HOUR_MS, 'suspend'],
  ])('waits %s where memory is kept', (_name, quietMs, verdict) => {
    const watch = watchedFor(quietMs, { observable: false });
    const decided = decideIdleness(idleInput({ activity: activity({ heartbeat: silent }), watch }));
    expect(decided.verdict).toBe(verdict);
  });

  it('a container is not stopped by what is unknown, ever', () => {
    const watch = watchedFor(300 * HOUR_MS, { observable: false });
    const seen = activity({ heartbeat: silent });
    expect(
      decideIdleness(idleInput({ subject: subject({ provider: 'pve-lxc' }), activity: seen, watch })),
    ).toMatchObject({
      verdict: 'awake',
      rule: 'unknown_never',
    });
  });

  it('begins the watch anew when a signal comes back', () => {
    const watch = watchedFor(HOUR_MS, { observable: false });
    expect(decideIdleness(idleInput({ watch }))).toMatchObject({
      verdict: 'watching',
      watch: { quietSinceMs: NOW_MS },
    });
  });

  it('a sandbox that nobody ever spoke for is unknown, not idle', () => {
    const { lastActivity: _a, counters: _c, ...mute } = activity();
    const watch = watchedFor(HOUR_MS, { observable: false });
    const decided = decideIdleness(
      idleInput({ subject: subject({ provider: 'morph' }), activity: mute, watch }),
    );
    expect(decided).toMatchObject({ verdict: 'watching', rule: 'signals_missing' });
  });

  it('counters that were not read since a resume are missing on Proxmox, and not expected on Morph', () => {
    const { counters: _none, ...unread } = activity();
    expect(decideIdleness(idleInput({ activity: unread })).rule).toBe('signals_missing');
    const onMorph = idleInput({ subject: subject({ provider: 'morph' }), activity: unread });
    expect(decideIdleness(onMorph).rule).toBe('idle');
  });
});

describe('what is exempt', () => {
  it.each<[string, Partial<IdleInput['subject']>, string]>([
    ['what does not run', { isRunning: false }, 'not_running'],
    ['what is protected', { protection: 'protected' }, 'protected'],
    ['what may be protected', { protection: 'unknown' }, 'protection_unknown'],
    [
      'a container whose memory is to be kept',
      { provider: 'pve-lxc', requiresRamSnapshot: true },
      'memory_required',
    ],
  ])('%s', (_name, more, rule) => {
    expect(decideIdleness(idleInput({ subject: subject(more) }))).toMatchObject({ verdict: 'exempt', rule });
  });

  it('what the policy never suspends', () => {
    const { policy } = idleInput();
    const never = { ...policy, rules: [{ teamId: 'ops', afterMs: 'never' as const }] };
    const decided = decideIdleness(idleInput({ subject: subject({ teamId: 'ops' }), policy: never }));
    expect(decided).toMatchObject({ verdict: 'exempt', rule: 'never_by_policy' });
    expect(decided.reason).toContain('team ops');
  });
});

it('the receipt tells what was observed, the newest first', () => {
  const seen = activity({ heartbeat, lastActivity: { atMs: NOW_MS - HOUR_MS, what: 'hold by run-7' } });
  const { observed, reason } = decideIdleness(idleInput({ activity: seen }));
  expect(observed.map(({ what }) => what)).toEqual(['counters', 'heartbeat', 'activity', 'running']);
  expect(observed[2]).toEqual({ what: 'activity', atMs: NOW_MS - HOUR_MS, detail: 'hold by run-7' });
  expect(reason).toBe('no activity for 60 min; the limit (pve-vm) is 15 min');
});

function agentsOf(work: Partial<AgentWork>, agentProcesses = 1) {
  return {
    heartbeat: { ...heartbeat, agentProcesses, agentWork: { cpuShare: 0, bytesPerSecond: 0, ...work } },
  };
}

function countersOf(latest: Partial<(typeof QUIET_COUNTERS)['latest']>) {
  return {
    counters: { ...QUIET_COUNTERS, latest: { ...QUIET_COUNTERS.latest, atMs: NOW_MS - 10_000, ...latest } },
  };
}
