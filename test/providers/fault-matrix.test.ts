/**
 * Every fault of the simulators' fault plans, once, in every operation. Whoever drives the operation does as the
 * workers do: looks before it repeats, repeats what may pass, and condemns what it gives up on. Then either the goal
 * is reached, or the failure says what a person has to do; and no guest is left that no intent answers for.
 */
import { describe, expect, it } from 'vitest';
import type { FailureReport } from '../../src/core/failure.ts';
import type { GuestIntent, GuestRef } from '../../src/core/guest.ts';
import { isProviderError } from '../../src/providers/provider-error.ts';
import type { FaultRule } from '../../src/simulators/simulators.ts';
import {
  type Rig,
  specFor,
  startGuest,
  startMorphRig,
  startPveLxcRig,
  startPveVmRig,
  testCall,
} from './rig.ts';

const OPERATIONS = ['start', 'pause', 'resume', 'destroy'] as const;
type OperationName = (typeof OPERATIONS)[number];
type Fault = readonly [title: string, rule: FaultRule];

/** What an operation does: a fault in anything else would wait for ever. */
const DOES: Readonly<Record<OperationName, RegExp>> = {
  start: /^(GET|POST|PUT|qmclone|qmstart|vzclone|vzstart)$/,
  pause: /^(GET|POST|qmsuspend|vzshutdown)$/,
  resume: /^(GET|POST|qmresume|vzstart)$/,
  destroy: /^(GET|POST|DELETE|qmstop|qmdestroy|vzstop|vzdestroy)$/,
};

const happensIn =
  (operation: OperationName) =>
  ([, { method, action }]: Fault) =>
    DOES[operation].test('taskType' in action ? action.taskType : (method ?? ''));

/** Short, so that a request that is never answered is given up soon. */
const REQUEST_TIMEOUT_MS = 400;

const CHANGES = ['POST', 'PUT', 'DELETE'] as const;
const REQUEST_ACTIONS: readonly (readonly [string, FaultRule['action']])[] = [
  ['an error nobody knows', { kind: 'error', status: 500, message: 'something new' }],
  ['a 403', { kind: 'error', status: 403, message: 'Permission check failed (/vms/20000, VM.Audit)' }],
  ['a 502 of something in between', { kind: 'error', status: 502, message: 'Bad Gateway' }],
  ['a late answer', { kind: 'delay', ms: 50 }],
  ['no answer', { kind: 'hang' }],
  ['a broken connection before it is done', { kind: 'drop' }],
  ['a broken connection after it is done', { kind: 'lose-reply' }],
];
const PVE_ACTIONS: readonly (readonly [string, FaultRule['action']])[] = [
  ['a 595', { kind: 'error', status: 595, message: 'Connection refused' }],
  ['a 596 although it is done', { kind: 'lose-reply', status: 596 }],
  ['a 599', { kind: 'error', status: 599, message: '' }],
  ['no quorum', { kind: 'error', status: 500, message: 'cluster not ready - no quorum?' }],
  [
    'a file lock',
    {
      kind: 'error',
      status: 500,
      message: "can't lock file '/var/lock/qemu-server/lock-20000.conf' - got timeout",
    },
  ],
  [
    'a locked task list after the fork',
    {
      kind: 'lose-reply',
      status: 500,
      message: "can't lock file '/var/log/pve/tasks/.active.lock' - got timeout",
    },
  ],
];

const onRequests = (actions: typeof REQUEST_ACTIONS): readonly Fault[] =>
  actions.flatMap(([title, action]) => [
    ...CHANGES.map((method): Fault => [`${title} to a ${method}`, { method, times: 1, action }]),
    [`${title} to a read`, { method: 'GET', times: 1, action }] as Fault,
  ]);

const onTasks = (types: readonly string[]): readonly Fault[] =>
  types.flatMap((taskType) =>
    (['begin', 'middle', 'end'] as const).flatMap((at): readonly Fault[] => [
      [
        `${taskType} that fails (${at})`,
        { times: 1, action: { kind: 'fail-task', taskType, exitstatus: 'it went wrong', at } },
      ],
      [`${taskType} killed (${at})`, { times: 1, action: { kind: 'kill-task', taskType, at } }],
    ]),
  );

const taskTypes = (prefix: string, names: readonly string[]) => names.map((name) => prefix + name);
const PVE_FAULTS = onRequests([...REQUEST_ACTIONS, ...PVE_ACTIONS]);
const DRIVERS: readonly {
  readonly name: string;
  readonly start: () => Promise<Rig>;
  readonly faults: readonly Fault[];
}[] = [
  {
    name: 'pve-vm',
    start: () => startPveVmRig({ requestTimeoutMs: REQUEST_TIMEOUT_MS }),
    faults: [
      ...PVE_FAULTS,
      ...onTasks(taskTypes('qm', ['clone', 'start', 'suspend', 'resume', 'stop', 'destroy'])),
    ],
  },
  {
    name: 'pve-lxc',
    start: () => startPveLxcRig({ requestTimeoutMs: REQUEST_TIMEOUT_MS }),
    faults: [...PVE_FAULTS, ...onTasks(taskTypes('vz', ['clone', 'start', 'shutdown', 'stop', 'destroy']))],
  },
  {
    name: 'morph',
    start: () => startMorphRig({ requestTimeoutMs: REQUEST_TIMEOUT_MS }),
    faults: onRequests(REQUEST_ACTIONS),
  },
];

describe.each(DRIVERS)('$name', ({ start, faults }) => {
  describe.each(OPERATIONS)('%s', (operation) => {
    // Each mostly waits, for a simulator of its own: side by side they take a fifth of the time.
    it.concurrent.each(faults.filter(happensIn(operation)))('through %s', async (_, rule) => {
      const rig = await start();
      try {
        if (operation === 'start') await expectStarted(rig, rule);
        else await expectReached(rig, operation, rule);
      } finally {
        await rig.close();
      }
    });
  });
});

async function act(rig: Rig, operation: Exclude<OperationName, 'start'>, ref: GuestRef): Promise<unknown> {
  const { provider } = rig;
  const call = testCall();
  if (operation === 'pause') return await provider.pause(ref, call);
  if (operation === 'resume') {
    return await provider.resume(ref, { allowColdBoot: !provider.capabilities.preservesRam }, call);
  }
  return await provider.destroy(ref, call);
}

async function expectReached(
  rig: Rig,
  operation: Exclude<OperationName, 'start'>,
  fault: FaultRule,
): Promise<void> {
  const { ref } = await startGuest(rig.provider);
  if (operation === 'resume') await rig.provider.pause(ref, testCall());
  rig.faults.add(fault);
  const end = await repeat(() => act(rig, operation, ref));
  rig.faults.clear();
  const { condition, remediation } = await rig.provider.inspect(ref, testCall());
  if (end !== undefined) {
    // Only a lock that a person has to remove may stop what is tried again.
    expect(end).toMatchObject({ kind: 'stuck', remediation: expect.stringContaining('unlock') });
    expect({ condition, remediation }).toEqual({ condition: 'stuck', remediation: end.remediation });
    expect(rig.nativeIds()).toEqual([ref.nativeId]);
    return;
  }
  const paused = rig.provider.capabilities.preservesRam ? 'paused' : 'stopped';
  const goals = { pause: paused, resume: 'running', destroy: 'gone' } as const;
  expect(condition).toBe(goals[operation]);
  expect(rig.nativeIds()).toEqual(operation === 'destroy' ? [] : [ref.nativeId]);
}

/** As a worker: prepare, one create, look when in doubt, bring up; condemn and discard what failed. */
async function expectStarted(rig: Rig, fault: FaultRule): Promise<void> {
  const { provider } = rig;
  rig.faults.add(fault);
  const spec = specFor(provider);
  const call = testCall();
  let intent: GuestIntent | undefined;
  const end = await repeat(async () => {
    intent ??= await provider.prepare(spec, call);
    const created = await createOnce(rig, intent, call);
    await provider.bringUp(intent, created, call);
  });
  rig.faults.clear();
  if (end === undefined) {
    expect(rig.nativeIds()).toHaveLength(1);
    return;
  }
  // Nothing left behind means nothing left behind.
  if (end.effect === 'none') expect(rig.nativeIds()).toEqual([]);
  if (intent === undefined) return;
  const sighting = await provider.look(intent, call);
  if (sighting.kind === 'ours') {
    const discarded = await repeat(() => provider.destroy(sighting.ref, testCall()));
    if (discarded !== undefined) expect(discarded.kind).toBe('stuck');
    else expect(rig.nativeIds()).toEqual([]);
    return;
  }
  // What cannot be destroyed yet lies where the intent says, and under nobody else's name.
  const expected = intent.vmid === undefined ? [] : [String(intent.vmid)];
  expect(expected).toEqual(expect.arrayContaining([...rig.nativeIds()]));
}

const sent = new WeakMap<GuestIntent, true>();

async function createOnce(rig: Rig, intent: GuestIntent, call: ReturnType<typeof testCall>) {
  if (!sent.has(intent)) {
    sent.set(intent, true);
    try {
      return await rig.provider.create(intent, call);
    } catch (error) {
      if (isProviderError(error) && error.report.effect === 'none') sent.delete(intent);
      throw error;
    }
  }
  const sighting = await rig.provider.look(intent, call);
  if (sighting.kind === 'ours') return { ref: sighting.ref };
  // Past the visibility bound in this small world: nothing came of it, so it may be sent anew.
  if (sighting.kind === 'absent') sent.delete(intent);
  throw Object.assign(new Error(sighting.kind), { again: true });
}

const TRIES = 12;
const GIVE_UP_AT_ONCE: ReadonlySet<string> = new Set([
  'stuck',
  'memory_lost',
  'unsupported',
  'source_missing',
]);

/** Repeats what may pass; `undefined` when it was reached. */
async function repeat(run: () => Promise<unknown>): Promise<FailureReport | undefined> {
  let last: FailureReport | undefined;
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      await run();
      return undefined;
    } catch (error) {
      if (isProviderError(error)) last = error.report;
      else if (!(error instanceof Error && 'again' in error)) throw error;
      if (last !== undefined && GIVE_UP_AT_ONCE.has(last.kind)) return last;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (last === undefined) throw new Error('neither reached nor refused');
  return last;
}
