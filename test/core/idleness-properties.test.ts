import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Activity } from '../../src/core/activity.ts';
import { DEFAULT_IDLE_POLICY, IDLE_MODES, type IdlePolicy } from '../../src/core/idle-policy.ts';
import { isObservable, watchedSignals } from '../../src/core/idle-signals.ts';
import { decideIdleness, type IdleInput } from '../../src/core/idleness.ts';
import { CAN_KEEP_MEMORY, PROVIDER_NAMES } from '../../src/core/provider-name.ts';
import { WORKLOAD_TYPES } from '../../src/core/start-request.ts';
import { HOUR_MS, NOW_MS } from './idle-case.ts';

/** What holds for every sandbox, whatever the tables of `idleness.test.ts` happen to name. */

const past = fc.integer({ min: NOW_MS - 100 * HOUR_MS, max: NOW_MS });
const aroundNow = fc.integer({ min: NOW_MS - HOUR_MS, max: NOW_MS + HOUR_MS });
const share = fc.double({ min: 0, max: 1, noNaN: true });
const count = fc.nat({ max: 3 });
const afterMs = fc.oneof(fc.constant('never' as const), fc.integer({ min: 1_000, max: 60 * HOUR_MS }));

const hold = fc.record({
  owner: fc.constantFrom('run-1', 'run-2'),
  reason: fc.constant('agent turn running'),
  sinceMs: past,
  untilMs: fc.integer({ min: NOW_MS + 1, max: NOW_MS + HOUR_MS }),
});
const counters = fc.record({ atMs: aroundNow, cpuShare: share, networkBytes: fc.nat({ max: 10_000_000 }) });

const activities = fc.record(
  {
    sequence: fc.nat({ max: 5 }),
    holds: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(hold, { maxLength: 2 })),
    runningSinceMs: past,
    lastActivity: fc.record({ atMs: aroundNow, what: fc.constant('touch') }),
    heartbeat: fc.record({
      atMs: aroundNow,
      agentProcesses: count,
      loadPerCpu: share,
      openConnections: count,
    }),
    workSeenAtMs: aroundNow,
    counters: fc.record({ latest: counters, before: counters }, { requiredKeys: ['latest'] }),
  },
  { requiredKeys: ['sequence', 'holds'] },
) as fc.Arbitrary<Activity>;

const policies: fc.Arbitrary<IdlePolicy> = fc.record({
  mode: fc.constantFrom(...IDLE_MODES),
  afterMs: fc.record({ 'pve-vm': afterMs, 'pve-lxc': afterMs, morph: afterMs }),
  unknownAfterMs: fc.record({ 'pve-vm': afterMs, 'pve-lxc': afterMs, morph: afterMs }),
  rules: fc.array(
    fc.record(
      {
        teamId: fc.constantFrom('a', 'b'),
        workloadType: fc.constantFrom(...WORKLOAD_TYPES),
        provider: fc.constantFrom(...PROVIDER_NAMES),
        afterMs,
      },
      { requiredKeys: ['afterMs'] },
    ) as fc.Arbitrary<IdlePolicy['rules'][number]>,
    { maxLength: 4 },
  ),
  retainPausedMs: afterMs,
  gate: fc.constant(DEFAULT_IDLE_POLICY.gate),
});

const inputs = fc.record(
  {
    subject: fc.record(
      {
        provider: fc.constantFrom(...PROVIDER_NAMES),
        isRunning: fc.boolean(),
        protection: fc.constantFrom('none', 'none', 'none', 'protected', 'unknown'),
        requiresRamSnapshot: fc.boolean(),
        teamId: fc.constantFrom('a', 'b'),
        workloadType: fc.constantFrom(...WORKLOAD_TYPES),
        idleTimeoutSeconds: fc.integer({ min: 1, max: 100_000 }),
      },
      { requiredKeys: ['provider', 'isRunning', 'protection', 'requiresRamSnapshot'] },
    ),
    activity: activities,
    watch: fc.record({
      quietSinceMs: past,
      lookedAtMs: fc.integer({ min: NOW_MS - 10 * 60_000, max: NOW_MS + 1_000 }),
      sequence: fc.nat({ max: 5 }),
      observable: fc.boolean(),
    }),
    policy: policies,
    nowMs: fc.constant(NOW_MS),
  },
  { requiredKeys: ['subject', 'activity', 'policy', 'nowMs'] },
) as fc.Arbitrary<IdleInput>;

/** Many more than the default hundred: the decision has narrow corners and costs nothing. */
const MANY = { numRuns: 5_000 };

function suspends(input: IdleInput): boolean {
  return decideIdleness(input).verdict === 'suspend';
}

describe('whatever was observed, and whatever the policy', () => {
  it('the inputs reach suspensions, observed and not', () => {
    const rules = new Set(
      fc.sample(inputs, { numRuns: 5_000, seed: 7 }).map((input) => decideIdleness(input).rule),
    );
    expect([...rules]).toEqual(
      expect.arrayContaining(['idle', 'idle_unobserved', 'held', 'busy', 'unknown_never']),
    );
  });

  it('never suspends while a hold is valid', () => {
    fc.assert(
      fc.property(inputs, fc.array(hold, { minLength: 1, maxLength: 3 }), (input, holds) => {
        expect(suspends({ ...input, activity: { ...input.activity, holds } })).toBe(false);
      }),
      MANY,
    );
  });

  it('never suspends by what is unknown where a pause loses memory', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { provider } = input.subject;
        const signals = watchedSignals(input.activity, provider, NOW_MS);
        if (CAN_KEEP_MEMORY[provider] || isObservable(input.activity, signals)) return;
        expect(suspends(input)).toBe(false);
      }),
      MANY,
    );
  });

  it('never suspends what is protected, or may be', () => {
    fc.assert(
      fc.property(inputs, fc.constantFrom('protected' as const, 'unknown' as const), (input, protection) => {
        expect(suspends({ ...input, subject: { ...input.subject, protection } })).toBe(false);
      }),
      MANY,
    );
  });

  it('never suspends at a first look, nor sooner after the last sign of use than its threshold', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const decided = decideIdleness(input);
        if (decided.verdict !== 'suspend' || decided.threshold.afterMs === 'never') return;
        expect(input.watch).toBeDefined();
        const stamps = [
          input.activity.lastActivity?.atMs,
          input.activity.workSeenAtMs,
          input.activity.runningSinceMs,
        ];
        const lastMs = Math.max(...stamps.filter((stamp) => stamp !== undefined));
        expect(NOW_MS - lastMs).toBeGreaterThanOrEqual(decided.threshold.afterMs);
      }),
      MANY,
    );
  });

  it('says when it will look again, later than now', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        expect(decideIdleness(input).lookAgainAtMs).toBeGreaterThan(NOW_MS);
      }),
      MANY,
    );
  });
});
