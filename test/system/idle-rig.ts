/** A whole system on a clock of the test's own, with the sweeps of idleness run by hand. */
import { DEFAULT_IDLE_POLICY, type IdlePolicy } from '../../src/core/idle-policy.ts';
import type { SandboxState } from '../../src/core/sandbox.ts';
import type { StartInput } from '../../src/core/start-request.ts';
import type { SweepCounts } from '../../src/core/sweep.ts';
import type { SandboxView } from '../../src/core/views.ts';
import { SWEEPS } from '../../src/workers/sweep-worker.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem, type TestSystemOptions } from '../support/system.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

export const ENFORCE: IdlePolicy = {
  ...DEFAULT_IDLE_POLICY,
  mode: 'enforce',
  gate: { ...DEFAULT_IDLE_POLICY.gate, skip: true },
};

type SweepOfIdleness = 'idle-suspend' | 'expire' | 'retention';

export interface IdleRig extends TestSystem {
  nowMs(): number;
  start(input?: Partial<StartInput>): Promise<SandboxView>;
  touch(id: string): Promise<unknown>;
  /** Lets minutes pass. In each, every running sandbox's counters are read and the sweep runs once. */
  pass(minutes: number, options?: PassOptions): Promise<SweepCounts>;
  run(name: SweepOfIdleness, dryRun?: boolean): Promise<SweepCounts>;
  state(id: string, expected: SandboxState): Promise<SandboxView>;
}

interface PassOptions {
  readonly sweep?: SweepOfIdleness;
  /** What the provider's counters show. Default: nothing goes on. `undefined`: they cannot be read. */
  readonly cpuShare?: number | undefined;
  readonly each?: () => Promise<unknown>;
}

export async function startIdleRig(
  policy: IdlePolicy = ENFORCE,
  options: TestSystemOptions = {},
): Promise<IdleRig> {
  let aheadMs = 0;
  const nowMs = () => Date.now() + aheadMs;
  const test = await startTestSystem({ nowMs, sweeps: false, idlePolicy: policy, ...options });
  const { store, queues, submitter } = test.system;
  const ids = new Set<string>();

  async function run(name: SweepOfIdleness, dryRun = false): Promise<SweepCounts> {
    const { timing, log, deployment } = test.options;
    const lease = { leaseMs: 1_000, sendDeadlineMs: 300 };
    return SWEEPS[name].run(
      {
        ...{ store, queues, submitter, log, nowMs, deployment },
        timing: { ...timing, lease },
        providers: [],
        idlePolicy: policy,
      },
      { dryRun, signal: new AbortController().signal },
    );
  }

  async function readCounters(cpuShare: number): Promise<void> {
    const counters = { atMs: nowMs(), cpuShare, networkBytes: 1_000 };
    await store.activity.observe(new Map([...ids].map((id) => [id, counters])), nowMs());
  }

  return {
    ...test,
    nowMs,
    run,
    async start(input = {}) {
      const sandbox = await test.producer.start(input.sources ? input : { preset: PRESET, ...input });
      ids.add(sandbox.id);
      await readCounters(0);
      return sandbox;
    },
    touch: (id) => store.activity.touch([id], 'touch by a test', nowMs()),
    async pass(minutes, { sweep = 'idle-suspend', each, ...rest } = {}) {
      const total: Record<string, number> = {};
      const cpuShare = 'cpuShare' in rest ? rest.cpuShare : 0;
      for (let minute = 0; minute < minutes; minute += 1) {
        aheadMs += MINUTE_MS;
        // The install record's heartbeat goes by the same clock; without it everything automatic would wait.
        await store.automation.beat(await store.deployment.installId(), nowMs());
        if (cpuShare !== undefined) await readCounters(cpuShare);
        await each?.();
        for (const [name, count] of Object.entries(await run(sweep)))
          total[name] = (total[name] ?? 0) + count;
      }
      return total;
    },
    state: (id, expected) =>
      eventually(`${id} is ${expected}`, async () => {
        const sandbox = await test.producer.get(id);
        return sandbox.state === expected && sandbox;
      }),
  };
}
