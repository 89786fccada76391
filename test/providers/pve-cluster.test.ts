/** What a cluster adds: migrations, the HA manager, a node that is cut off, a lost quorum. For both kinds. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  CT_TEMPLATE,
  failureOf,
  type PveRigOptions,
  specFor,
  startGuest,
  startPveRig,
  TEMPLATE,
  testCall,
} from './rig.ts';

type PveRig = Awaited<ReturnType<typeof startPveRig>>;
const rigs: PveRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

const CASES = [
  { kind: 'pve-vm', command: 'qm', template: TEMPLATE },
  { kind: 'pve-lxc', command: 'pct', template: CT_TEMPLATE },
] as const;

describe.each(CASES)('$kind', ({ kind, template, command }) => {
  async function startRig(options: PveRigOptions = {}): Promise<PveRig> {
    const rig = await startPveRig(kind, {
      ...options,
      requestTimeoutMs: 2_000,
      pve: {
        nodes: ['pve1', 'pve2'],
        templates: [template],
        ...options.pve,
        latency: { haReactionMs: 100, proxyTimeoutMs: 300, ...options.pve?.latency },
      },
    });
    rigs.push(rig);
    return rig;
  }

  it('follows a guest that was migrated, wherever the record says it is', async () => {
    const rig = await startRig();
    const { ref, intent } = await startGuest(rig.provider);
    expect(ref.node).toBe('pve1');
    rig.pve.operator.migrate(Number(ref.nativeId), 'pve2');
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'running' });
    expect(await rig.provider.look(intent, testCall())).toMatchObject({
      kind: 'ours',
      ref: { node: 'pve2' },
    });
    await rig.provider.pause(ref, testCall());
    const resumed = await rig.provider.resume(ref, { allowColdBoot: true }, testCall());
    expect(resumed.facts.ref.node).toBe('pve2');
    await rig.provider.destroy(ref, testCall());
    expect(rig.nativeIds()).toEqual([]);
  });

  it('finds a guest whose node is not on record at all', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const { node: _, ...withoutNode } = ref;
    rig.pve.operator.migrate(Number(ref.nativeId), 'pve2');
    expect(await rig.provider.inspect(withoutNode, testCall())).toMatchObject({ condition: 'running' });
  });

  it('waits until the HA manager has carried out what was asked, and destroys what it manages', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const vmid = Number(ref.nativeId);
    rig.pve.operator.kill(vmid);
    rig.pve.operator.setHaManaged(vmid, true);
    await rig.provider.resume(ref, { allowColdBoot: true }, testCall());
    expect(rig.pve.inventory().guests.find((guest) => guest.vmid === vmid)?.status).toBe('running');
    await rig.provider.destroy(ref, testCall());
    expect(rig.nativeIds()).toEqual([]);
  });

  it('concludes nothing about guests of a node that is cut off', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    rig.pve.operator.setNodeOffline('pve1', true);
    for (const act of [
      () => rig.provider.inspect(ref, testCall()),
      () => rig.provider.pause(ref, testCall()),
      () => rig.provider.destroy(ref, testCall()),
    ]) {
      expect(['unreachable', 'timed_out']).toContain((await failureOf(act())).kind);
    }
    const start = await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()));
    expect(start).toMatchObject({ kind: 'unreachable', effect: 'none' });
    expect(start.message).toContain('node pve1');
    rig.pve.operator.setNodeOffline('pve1', false);
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'running' });
  });

  it('is unreachable without quorum, with nothing made', async () => {
    const rig = await startRig();
    const call = testCall();
    const intent = await rig.provider.prepare(specFor(rig.provider), call);
    rig.pve.operator.setQuorum(false);
    const failure = await failureOf(rig.provider.create(intent, call));
    expect(failure).toMatchObject({ kind: 'unreachable', effect: 'none' });
    expect(failure.remediation).toContain('pvecm status');
    expect(rig.nativeIds()).toEqual([]);
    expect(rig.permits.held()).toEqual([]);
  });

  it('takes WARNINGS for success: a clone, a boot and a destroy that left something to read', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    rig.faults.add({
      times: 1,
      action: {
        kind: 'fail-task',
        taskType: `${command === 'qm' ? 'qm' : 'vz'}stop`,
        exitstatus: 'WARNINGS: 1',
      },
    });
    await rig.provider.destroy(ref, testCall());
    expect(rig.nativeIds()).toEqual([]);
  });

  it('says what remains of a guest whose destroy died at its last step, with the command', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const taskType = command === 'qm' ? 'qmdestroy' : 'vzdestroy';
    rig.faults.add({ times: 1, action: { kind: 'kill-task', taskType, at: 'end' } });
    expect(await failureOf(rig.provider.destroy(ref, testCall()))).toMatchObject({ kind: 'interrupted' });
    const failure = await failureOf(rig.provider.destroy(ref, testCall()));
    expect(failure).toMatchObject({ kind: 'stuck' });
    expect(failure.remediation).toContain(`${command} unlock ${ref.nativeId} && ${command} destroy`);
    expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'stuck' });
    // Nobody clones onto it meanwhile.
    expect(await rig.provider.look((await startGuest(rig.provider)).intent, testCall())).toMatchObject({
      kind: 'ours',
    });
  });
});

it('is told that it cannot hibernate what the HA manager has', async () => {
  const rig = await startPveRig('pve-vm');
  rigs.push(rig);
  const { ref } = await startGuest(rig.provider);
  rig.pve.operator.setHaManaged(Number(ref.nativeId), true);
  const failure = await failureOf(rig.provider.pause(ref, testCall()));
  expect(failure).toMatchObject({ kind: 'unsupported', effect: 'none' });
  expect(failure.remediation).toContain('ha-manager');
});
