import { describe, expect, it } from 'vitest';
import { CT_TEMPLATE, eventually, simulate, TEMPLATE } from './support.ts';

const GIB = 1024 ** 3;
const IMAGE_BYTES = (2 * 8192 + 500) * 1024 ** 2;
const VMIDS = [20_001, 20_002, 20_003];

type World = Awaited<ReturnType<typeof simulate>>;

async function startThree({ api }: World): Promise<void> {
  for (const vmid of VMIDS) await api.clone(vmid);
  for (const vmid of VMIDS) expect(await api.start(vmid)).toBe('OK');
}

function running({ pve }: World): readonly number[] {
  return pve
    .inventory()
    .guests.filter(({ status }) => status === 'running')
    .map(({ vmid }) => vmid);
}

describe('the memory of a simulated node', () => {
  it('lets every guest start, and then loses one to the OOM killer, without a memory image', async () => {
    const world = await simulate({ nodeMemoryMib: 24 * 1024, latency: { memoryFillMs: 300 } });
    await startThree(world);
    expect(running(world)).toHaveLength(3);
    await eventually(() => world.pve.inventory().oomKills === 1);
    expect(running(world)).toHaveLength(2);
    const victim = VMIDS.find((vmid) => !running(world).includes(vmid)) ?? 0;
    const status = await world.api.status(victim);
    expect(status).toMatchObject({ status: 'stopped', qmpstatus: 'stopped' });
    expect(status).not.toHaveProperty('lock');
    expect(world.pve.inventory().guests.find(({ vmid }) => vmid === victim)).toMatchObject({ counter: 0 });
    expect((await world.api.get('/nodes/pve1/status')).body.data.memory.free).toBe(4 * GIB);
  });

  it('takes the largest', async () => {
    const world = await simulate({ nodeMemoryMib: 16 * 1024 });
    const { operator } = world.pve;
    operator.add({ vmid: 300, name: 'small', memoryMib: 2048, running: true });
    operator.add({ vmid: 301, name: 'large', memoryMib: 9000, running: true, kind: 'lxc' });
    operator.add({ vmid: 302, name: 'middle', memoryMib: 4096, running: true });
    await eventually(() => world.pve.inventory().oomKills === 1);
    expect(running(world)).toEqual([300, 302]);
  });

  it('lets the seed decide between equals', async () => {
    const survivors = async (seed: number) => {
      const world = await simulate({ nodeMemoryMib: 12 * 1024 }, { seed });
      for (let vmid = 300; vmid < 308; vmid += 1) {
        world.pve.operator.add({ vmid, name: `g${vmid}`, memoryMib: 2048, running: true });
      }
      await eventually(() => world.pve.inventory().oomKills === 4);
      return running(world).join();
    };
    expect(await survivors(1)).toBe(await survivors(1));
    expect(new Set([await survivors(1), await survivors(2), await survivors(3)]).size).toBeGreaterThan(1);
  });

  it('fills by a resume and by a move as well', async () => {
    const world = await simulate({
      nodes: ['pve1', 'pve2'],
      nodeMemoryMib: { pve1: 20 * 1024, pve2: 5 * 1024 },
    });
    const { api, pve } = world;
    for (const vmid of VMIDS.slice(0, 2)) {
      await api.clone(vmid);
      await api.start(vmid);
      if (vmid === VMIDS[0]) await api.suspend(vmid);
    }
    pve.operator.add({ vmid: 300, name: 'neighbour', memoryMib: 2048, running: true });
    await api.task('POST', `${api.vm(VMIDS[0] ?? 0)}/status/resume`);
    await eventually(() => pve.inventory().oomKills === 1);
    pve.operator.migrate(300, 'pve2');
    await eventually(() => pve.inventory().oomKills === 2);
    expect(running(world)).not.toContain(300);
  });

  it('ends a suspend whose VM is killed in the middle without an image, under lock suspending', async () => {
    const { api, pve } = await simulate({ latency: { suspendMs: 300 } });
    await api.clone(20_001);
    await api.start(20_001);
    const upid = (await api.post(`${api.vm(20_001)}/status/suspend`, { todisk: 1 })).body.data;
    await eventually(async () => (await api.status(20_001)).lock === 'suspending');
    pve.operator.kill(20_001);
    expect(await api.ended(upid)).toBe('VM 20001 not running');
    expect(await api.status(20_001)).toMatchObject({ status: 'stopped', lock: 'suspending' });
    expect(await api.config(20_001)).not.toHaveProperty('vmstate');
  });
});

describe('the storage of a simulated node', () => {
  it('fills with memory images until one does not fit, and frees on resume, discard and destroy', async () => {
    const world = await simulate({ storageGib: 32 + 3 * 3.2 + 2 * 17 });
    const { api } = world;
    const used = async () => (await api.get('/nodes/pve1/storage/local-lvm/status')).body.data.used as number;
    await startThree(world);
    const before = await used();
    expect(await api.suspend(20_001)).toBe('OK');
    expect(await api.suspend(20_002)).toBe('OK');
    expect((await used()) - before).toBe(2 * IMAGE_BYTES);
    expect(await api.suspend(20_003)).toMatch(/Insufficient free space/);
    await api.task('POST', `${api.vm(20_001)}/status/resume`);
    expect((await used()) - before).toBe(IMAGE_BYTES);
    expect(await api.suspend(20_003)).toBe('OK');
    await api.put(`${api.vm(20_003)}/config`, { delete: 'vmstate' });
    expect((await used()) - before).toBe(IMAGE_BYTES);
    await api.task('DELETE', api.vm(20_002));
    expect((await used()) - before).toBe(-Math.round(0.1 * 32 * GIB));
  });

  it('counts an image where the suspend put it', async () => {
    const { api } = await simulate();
    const used = async (storage: string) =>
      (await api.get(`/nodes/pve1/storage/${storage}/status`)).body.data.used as number;
    await api.clone(20_001);
    await api.start(20_001);
    const before = [await used('local'), await used('local-lvm')] as const;
    await api.task('POST', `${api.vm(20_001)}/status/suspend`, { todisk: 1, statestorage: 'local' });
    expect([(await used('local')) - before[0], (await used('local-lvm')) - before[1]]).toEqual([
      IMAGE_BYTES,
      0,
    ]);
  });

  it('is each node its own', async () => {
    const { api } = await simulate({
      nodes: ['pve1', 'pve2'],
      storageGib: { pve2: 64 },
      templates: [TEMPLATE, { ...CT_TEMPLATE, node: 'pve2' }],
    });
    const storageOf = async (node: string) =>
      (await api.get(`/nodes/${node}/storage/local-lvm/status`)).body.data;
    expect(await storageOf('pve1')).toMatchObject({ total: 1024 * GIB, used: 32 * GIB });
    expect(await storageOf('pve2')).toMatchObject({ total: 64 * GIB, used: 32 * GIB });
  });
});
