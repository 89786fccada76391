import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Activity } from '../../src/core/activity.ts';
import { DEFAULT_IDLE_POLICY, IDLE_MODES, type IdlePolicy } from '../../src/core/idle-policy.ts';
import { isObservable, watchedSignals } from '../../src/core/idle-signals.ts';
import { decideIdleness, IDLE_RULES, type IdleInput, OPEN_AGENT_MS } from '../../src/core/idleness.ts';
import { CAN_KEEP_MEMORY, PROVIDER_NAMES } from '../../src/core/provider-name.ts';
import { WORKLOAD_TYPES } from '../../src/core/start-request.ts';
import { HOUR_MS, NOW_MS } from './idle-case.ts';

/** What holds for every sandbox, whatever the tables of `idleness.test.ts` happen to name. */

const past = fc.integer({ min: NOW_MS - 100 * HOUR_MS, max: NOW_MS });
const aroundNow = fc.integer({ min: NOW_MS - HOUR_MS, max: NOW_MS + HOUR_MS });
/** As a report comes that is not missing. */
const justNow = fc.integer({ min: NOW_MS - 100_000, max: NOW_MS });
const stamp = fc.oneof({ weight: 3, arbitrary: past }, aroundNow);
const heardAtMs = fc.oneof({ weight: 3, arbitrary: justNow }, past, aroundNow);
/** Mostly quiet: what several sources say has to come together before anything is idle. */
const share = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0.01) },
  fc.double({ min: 0, max: 1, noNaN: true }),
);
const count = fc.oneof(fc.constant(0), fc.nat({ max: 3 }));
const afterMs = fc.oneof(
  { weight: 1, arbitrary: fc.constant('never' as const) },
  { weight: 4, arbitrary: fc.integer({ min: 1_000, max: HOUR_MS }) },
  { weight: 1, arbitrary: fc.integer({ min: HOUR_MS, max: 60 * HOUR_MS }) },
);

const hold = fc.record({
  owner: fc.constantFrom('run-1', 'run-2'),
  reason: fc.constant('agent turn running'),
  sinceMs: past,
  untilMs: fc.integer({ min: NOW_MS + 1, max: NOW_MS + HOUR_MS }),
});
const counters = fc.record({ atMs: heardAtMs, cpuShare: share, networkBytes: fc.nat({ max: 1_000_000 }) });
/** Few, so that a watch is mostly of the activity that it is held against. */
const sequence = fc.constantFrom(4, 4, 4, 5);

const activities = fc.record(
  {
    sequence,
    holds: fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, fc.array(hold, { maxLength: 2 })),
    runningSinceMs: past,
    lastActivity: fc.record({ atMs: stamp, what: fc.constant('touch') }),
    heartbeat: fc.record(
      {
        atMs: heardAtMs,
        agentProcesses: count,
        agentWork: fc.record({ cpuShare: share, bytesPerSecond: fc.nat({ max: 1_000 }) }),
        loadPerCpu: share,
        openConnections: count,
      },
      { requiredKeys: ['atMs', 'agentProcesses', 'loadPerCpu', 'openConnections'] },
    ),
    workSeenAtMs: stamp,
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
        isRunning: fc.constantFrom(true, true, true, true, false),
        protection: fc.constantFrom('none', 'none', 'none', 'none', 'none', 'none', 'protected', 'unknown'),
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
      lookedAtMs: fc.oneof(
        { weight: 5, arbitrary: justNow },
        fc.integer({ min: NOW_MS - 10 * 60_000, max: NOW_MS + 1_000 }),
      ),
      sequence,
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
  it('the inputs reach every rule, and suspensions often enough that the properties say something', () => {
    const rules = fc.sample(inputs, { numRuns: 2_000, seed: 7 }).map((input) => decideIdleness(input).rule);
    expect(new Set(rules)).toEqual(new Set(IDLE_RULES));
    expect(rules.filter((rule) => rule === 'idle').length).toBeGreaterThan(15);
    expect(rules.filter((rule) => rule === 'idle_unobserved').length).toBeGreaterThan(15);
  });

  it('never suspends while a hold is valid', () => {
    fc.assert(
      fc.property(inputs, fc.array(hold, { minLength: 1, maxLength: 3 }), (input, holds) => {
        expect(suspends({ ...input, activity: { ...input.activity, holds } })).toBe(false);
      }),
      MANY,
    );
  });

  it('never suspends while an agent is open that shows work, or was not measured, or was at work a moment ago', () => {
    const work = fc.constantFrom(undefined, { cpuShare: 0.5, bytesPerSecond: 0 }, 'a moment ago' as const);
    fc.assert(
      fc.property(inputs, work, (input, agentWork) => {
        const seen = { atMs: NOW_MS - 20_000, agentProcesses: 1, loadPerCpu: 0, openConnections: 0 };
        const idle = { ...seen, agentWork: { cpuShare: 0, bytesPerSecond: 0 } };
        const more =
          agentWork === 'a moment ago'
            ? { heartbeat: idle, workSeenAtMs: NOW_MS - OPEN_AGENT_MS + 1 }
            : { heartbeat: agentWork === undefined ? seen : { ...seen, agentWork } };
        expect(suspends({ ...input, activity: { ...input.activity, ...more } })).toBe(false);
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
