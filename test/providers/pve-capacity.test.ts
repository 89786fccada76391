/** Memory of the nodes: Proxmox never says that it is full, so we do. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  failureOf,
  type PveRigOptions,
  specFor,
  startGuest,
  startPveVmRig,
  TEMPLATE,
  testCall,
} from './rig.ts';

type PveRig = Awaited<ReturnType<typeof startPveVmRig>>;
const rigs: PveRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});
async function startRig(options: PveRigOptions = {}): Promise<PveRig> {
  const rig = await startPveVmRig(options);
  rigs.push(rig);
  return rig;
}

/** 10 GiB: 7168 MiB for starts, which is three guests of 2 GiB, and 8192 MiB for resumes, which is four. */
const SMALL: PveRigOptions = {
  pve: { nodeMemoryMib: 10_240 },
  driver: { reserves: { hostMib: 2048, resumeShare: 0.1 } },
};
const TWO_NODES: PveRigOptions = {
  pve: {
    nodes: ['pve1', 'pve2'],
    nodeMemoryMib: 10_240,
    templates: [
      { ...TEMPLATE, node: 'pve1' },
      { ...TEMPLATE, vmid: 9001, node: 'pve2' },
    ],
  },
};
const BOTH = {
  sources: {
    'pve-vm': { templates: [9000, 9001].map((vmid) => ({ vmid, expectedName: TEMPLATE.name })) },
  },
};

describe('starting', () => {
  it('is over capacity when nothing fits, with the figures and nothing taken', async () => {
    const rig = await startRig(SMALL);
    for (let index = 0; index < 3; index += 1) await startGuest(rig.provider);
    const failure = await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()));
    expect(failure).toMatchObject({ kind: 'over_capacity', effect: 'none' });
    expect(failure.message).toContain('pve1: 1024 MiB are left for starts and 2048 MiB are needed');
    expect(failure.remediation).toContain('PVE_RESUME_RESERVE');
    expect(rig.permits.held()).toEqual([]);
    expect(rig.capacityBook.all()).toHaveLength(3);
  });

  it('counts what its preset promises, not what the template has', async () => {
    const rig = await startRig(SMALL);
    const size = { vcpus: 2, memoryMib: 7168 };
    const intent = await rig.provider.prepare(specFor(rig.provider, { size }), testCall());
    expect(intent.memoryMib).toBe(7168);
    const next = await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()));
    expect(next.kind).toBe('over_capacity');
  });

  it("counts other people's machines that run, and not those that are off", async () => {
    const rig = await startRig(SMALL);
    rig.pve.operator.add({ vmid: 300, name: 'pet', memoryMib: 6144, running: false });
    await rig.provider.prepare(specFor(rig.provider), testCall());
    rig.pve.operator.add({ vmid: 301, name: 'cattle', kind: 'lxc', memoryMib: 4096, running: true });
    const failure = await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()));
    expect(failure.message).toContain('1024 MiB are left');
  });

  it('never lets several starts at once share the last place', async () => {
    const rig = await startRig(SMALL);
    const all = await Promise.allSettled(
      Array.from({ length: 8 }, () => rig.provider.prepare(specFor(rig.provider), testCall())),
    );
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(rig.capacityBook.all()).toHaveLength(3);
  });

  it('spreads over nodes, and fills both', async () => {
    const rig = await startRig(TWO_NODES);
    const nodes = [];
    for (let index = 0; index < 6; index += 1) {
      nodes.push((await startGuest(rig.provider, specFor(rig.provider, BOTH))).ref.node);
    }
    expect(nodes.slice(0, 2).toSorted()).toEqual(['pve1', 'pve2']);
    expect(nodes.filter((node) => node === 'pve1')).toHaveLength(3);
    const failure = await failureOf(rig.provider.prepare(specFor(rig.provider, BOTH), testCall()));
    expect(failure.message).toMatch(/pve1: .*; pve2: /);
  });

  it('leaves out cordoned and offline nodes', async () => {
    const rig = await startRig({ ...TWO_NODES, driver: { cordonedNodes: ['pve1'] } });
    const spec = specFor(rig.provider, BOTH);
    expect((await rig.provider.prepare(spec, testCall())).node).toBe('pve2');
    rig.pve.operator.setNodeOffline('pve2', true);
    const failure = await failureOf(rig.provider.prepare(specFor(rig.provider, BOTH), testCall()));
    expect(failure.effect).toBe('none');
    expect(failure.message).toMatch(/cordoned|offline|595/);
  });

  it('uses the named nodes only', async () => {
    const rig = await startRig({ ...TWO_NODES, driver: { nodes: ['pve2'] } });
    expect((await rig.provider.prepare(specFor(rig.provider, BOTH), testCall())).node).toBe('pve2');
  });

  it('keeps a guest that was prepared before on its node', async () => {
    const rig = await startRig(TWO_NODES);
    const call = testCall();
    const spec = specFor(rig.provider, BOTH);
    const first = await rig.provider.prepare(spec, call);
    rig.pve.operator.add({ vmid: 300, name: 'pet', memoryMib: 4096, running: true, node: first.node! });
    expect(await rig.provider.prepare(spec, call)).toEqual(first);
  });

  it('starts nothing where it may not read the memory, and says which right is missing', async () => {
    const everything = ['VM.Audit', 'VM.Clone', 'VM.Allocate', 'Datastore.AllocateSpace', 'SDN.Use'];
    const rig = await startRig({ pve: { acl: { '/': everything } } });
    const failure = await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()));
    expect(failure).toMatchObject({ kind: 'unauthorized', effect: 'none' });
    expect(failure.remediation).toContain('Sys.Audit on /nodes/pve1');
  });
});

describe('resuming', () => {
  /** What the worker's store does when a sandbox is paused. */
  async function pauseAndFree(rig: PveRig) {
    const { ref } = await startGuest(rig.provider);
    await rig.provider.pause(ref, testCall());
    await rig.capacityBook.release('pve:test', ref.guestId);
    return ref;
  }

  it('may use what starts may not', async () => {
    const rig = await startRig(SMALL);
    const ref = await pauseAndFree(rig);
    for (let index = 0; index < 3; index += 1) await startGuest(rig.provider);
    const start = await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()));
    expect(start.kind).toBe('over_capacity');
    expect(await rig.provider.resume(ref, { allowColdBoot: false }, testCall())).toMatchObject({
      memoryKept: true,
    });
    expect(rig.capacityBook.all().map(({ guestId }) => guestId)).toContain(ref.guestId);
  });

  it('waits while it does not fit, and keeps the memory image', async () => {
    const rig = await startRig(SMALL);
    const ref = await pauseAndFree(rig);
    rig.pve.operator.add({ vmid: 300, name: 'pet', memoryMib: 7168, running: true });
    const call = testCall();
    const failure = await failureOf(rig.provider.resume(ref, { allowColdBoot: false }, call));
    expect(failure).toMatchObject({ kind: 'waiting', effect: 'none' });
    expect(failure.message).toContain('it needs 2048 MiB and 1024 MiB are free');
    expect(call.steps).toEqual([]);
    rig.pve.operator.kill(300);
    expect((await rig.provider.resume(ref, { allowColdBoot: false }, call)).memoryKept).toBe(true);
  });

  it('gives its memory back when it failed with nothing changed', async () => {
    const rig = await startRig(SMALL);
    const ref = await pauseAndFree(rig);
    const exitstatus = 'start failed: QEMU exited with code 1';
    rig.faults.add({ times: 1, action: { kind: 'fail-task', taskType: 'qmresume', exitstatus } });
    await failureOf(rig.provider.resume(ref, { allowColdBoot: false }, testCall()));
    expect(rig.capacityBook.all()).toEqual([]);
  });

  it('resumes on a cordoned node, where its memory lies', async () => {
    const rig = await startRig(TWO_NODES);
    const ref = await pauseAndFree(rig);
    const cordoned = await startRig({ ...SMALL, driver: { cordonedNodes: ['pve1'] } });
    expect((await failureOf(cordoned.provider.prepare(specFor(rig.provider), testCall()))).kind).toBe(
      'over_capacity',
    );
    expect((await rig.provider.resume(ref, { allowColdBoot: false }, testCall())).memoryKept).toBe(true);
  });
});

describe('the report', () => {
  it('tells memory, use and reserve of each node, and the storages', async () => {
    const rig = await startRig({ ...TWO_NODES, driver: { cordonedNodes: ['pve2'] } });
    await startGuest(rig.provider);
    const report = await rig.provider.capacity?.(testCall());
    expect(report?.nodes).toEqual([
      { node: 'pve1', online: true, cordoned: false, memoryMib: 10_240, usedMib: 2048, reservedMib: 3072 },
      { node: 'pve2', online: true, cordoned: true, memoryMib: 10_240, usedMib: 0, reservedMib: 3072 },
    ]);
    const disk = report?.storages.find(({ node, storage }) => node === 'pve1' && storage === 'local-lvm');
    expect(disk).toMatchObject({ totalMib: 1024 * 1024 });
  });

  it('counts a guest once, though it is in the book and runs', async () => {
    const rig = await startRig(SMALL);
    const { ref } = await startGuest(rig.provider);
    const before = await rig.provider.capacity?.(testCall());
    await rig.capacityBook.release('pve:test', ref.guestId);
    expect(await rig.provider.capacity?.(testCall())).toEqual(before);
  });
});
