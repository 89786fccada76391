/** Turns: one clone of a container's template at a time, and the other limits. */
import { afterEach, describe, expect, it } from 'vitest';
import { PERMIT_LIMITS } from '../../src/providers/pve/pve-permits.ts';
import {
  CT_TEMPLATE,
  failureOf,
  type PveRigOptions,
  specFor,
  startGuest,
  startPveLxcRig,
  startPveVmRig,
  TEMPLATE,
  testCall,
} from './rig.ts';

type PveRig = Awaited<ReturnType<typeof startPveLxcRig>>;
const rigs: PveRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});
async function startLxc(options: PveRigOptions = {}): Promise<PveRig> {
  const rig = await startPveLxcRig(options);
  rigs.push(rig);
  return rig;
}
async function startVm(options: PveRigOptions = {}): Promise<PveRig> {
  const rig = await startPveVmRig(options);
  rigs.push(rig);
  return rig;
}

const TEMPLATE_PERMIT = 'pve:test:template:9100';
const DESTROYS_PERMIT = 'pve:test:destroys';
/** What a driver is patient for by default. */
const LEASE_MS = 60_000;
const IMPATIENT = { permitLeaseMs: 30, templateLockMs: 60_000 };
const TWIN = { ...CT_TEMPLATE, vmid: 9101 };
const BOTH = {
  sources: {
    'pve-lxc': { templates: [CT_TEMPLATE, TWIN].map(({ vmid, name }) => ({ vmid, expectedName: name })) },
  },
};

describe('cloning a container', () => {
  it('waits its turn for the one template, told its place, with nothing taken', async () => {
    const rig = await startLxc();
    const first = testCall();
    await rig.provider.prepare(specFor(rig.provider), first);
    const failure = await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()));
    expect(failure).toMatchObject({ kind: 'waiting', effect: 'none' });
    expect(failure.message).toContain('template:9100, as number 1 in line');
    expect(failure.message).toContain(first.holder);
    expect((await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()))).message).toContain(
      'number 2',
    );
    expect(rig.capacityBook.all()).toHaveLength(1);
  });

  it('shares the load over identical templates', async () => {
    const rig = await startLxc({ pve: { templates: [CT_TEMPLATE, TWIN] } });
    const sources = [];
    for (let index = 0; index < 2; index += 1) {
      sources.push((await rig.provider.prepare(specFor(rig.provider, BOTH), testCall())).source);
    }
    expect(sources.toSorted()).toEqual(['9100', '9101']);
    const third = await failureOf(rig.provider.prepare(specFor(rig.provider, BOTH), testCall()));
    expect(third.kind).toBe('waiting');
  });

  it('gives the turn back right when the clone has ended, before the boot', async () => {
    const rig = await startLxc();
    const call = testCall();
    const seen: (readonly string[])[] = [];
    const step: typeof call.step = (name, send) => {
      seen.push(rig.permits.held().filter((held) => held.startsWith(TEMPLATE_PERMIT)));
      return call.step(name, send);
    };
    const spec = specFor(rig.provider);
    const intent = await rig.provider.prepare(spec, { ...call, step });
    const created = await rig.provider.create(intent, { ...call, step });
    await rig.provider.bringUp(intent, created, { ...call, step });
    const mine = [`${TEMPLATE_PERMIT} ${call.holder}`];
    expect(seen).toEqual([mine, [], []]);
    expect(rig.permits.held()).toEqual([]);
  });

  it('never lets two clones of one template run, and lets all of a crowd through', async () => {
    const rig = await startLxc();
    const crowd = Array.from({ length: 6 }, async () => {
      const call = testCall();
      const spec = specFor(rig.provider);
      for (;;) {
        try {
          const intent = await rig.provider.prepare(spec, call);
          return await rig.provider.bringUp(intent, await rig.provider.create(intent, call), call);
        } catch (error) {
          const { kind } = await failureOf(Promise.reject(error));
          if (kind !== 'waiting') throw error;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
    });
    await Promise.all(crowd);
    expect(rig.nativeIds()).toHaveLength(6);
    expect(rig.calls()['POST /nodes/{node}/lxc/{vmid}/clone']).toBe(6);
  });

  it('gives the turn back when the clone was refused, keeps it when it must be tried again', async () => {
    const rig = await startLxc();
    const refuse = (message: string) =>
      rig.faults.add({ path: '/clone$', times: 1, action: { kind: 'error', status: 500, message } });
    const call = testCall();
    const intent = await rig.provider.prepare(specFor(rig.provider), call);
    refuse('CT is locked (disk)');
    expect(await failureOf(rig.provider.create(intent, call))).toMatchObject({ kind: 'contention' });
    expect(rig.permits.held()).toHaveLength(1);
    refuse("storage 'x' does not exist");
    expect(await failureOf(rig.provider.create(intent, call))).toMatchObject({ kind: 'source_missing' });
    expect(rig.permits.held()).toEqual([]);
  });

  it('gives it back when the clone failed, and when an attempt that follows finds it ended', async () => {
    const rig = await startLxc();
    const exitstatus = "clone failed: can't lock file '/var/lock/x' - got timeout";
    rig.faults.add({ times: 1, action: { kind: 'fail-task', taskType: 'vzclone', exitstatus } });
    await failureOf(startGuest(rig.provider));
    expect(rig.permits.held()).toEqual([]);

    const call = testCall();
    const intent = await rig.provider.prepare(specFor(rig.provider), call);
    const { ref } = await rig.provider.create(intent, call);
    expect(rig.permits.held()).toHaveLength(1);
    await rig.provider.bringUp(intent, { ref }, call);
    expect(rig.permits.held()).toEqual([]);
  });

  it('is kept while the clone runs although we gave up on it, and freed by whoever waits once it has ended', async () => {
    const rig = await startLxc({
      driver: { cloneTimeoutMs: 50, patience: IMPATIENT },
      pve: { latency: { ctCloneMs: 500 } },
    });
    const failure = await failureOf(startGuest(rig.provider));
    expect(failure).toMatchObject({ kind: 'still_creating', effect: 'unknown' });
    expect(rig.permits.held()).toHaveLength(1);

    const call = testCall();
    const spec = specFor(rig.provider);
    expect((await failureOf(rig.provider.prepare(spec, call))).kind).toBe('waiting');
    await untilFree(rig);
    expect((await rig.provider.prepare(spec, call)).source).toBe('9100');
    expect(rig.permits.held()).toEqual([`${TEMPLATE_PERMIT} ${call.holder}`]);
  });

  it.each([
    ['before it noted anything', undefined],
    ['before it sent anything', 'pve1 vzclone 9100'],
    ['long after its clone ended', 'UPID:pve1:00000001:00000001:00000001:vzclone:9100:root@pam!test:'],
  ])('frees what a dead holder left %s, past the lease and not before', async (_, note) => {
    const rig = await startLxc();
    rig.permits.plant('op-dead', TEMPLATE_PERMIT, note);
    const call = testCall();
    const spec = specFor(rig.provider);
    expect((await failureOf(rig.provider.prepare(spec, call))).kind).toBe('waiting');
    rig.permits.age('op-dead', TEMPLATE_PERMIT, LEASE_MS);
    await rig.provider.prepare(spec, call);
    expect(rig.permits.held()).toEqual([`${TEMPLATE_PERMIT} ${call.holder}`]);
  });

  it('frees at once what the holder of a start that is over left, whatever it noted', async () => {
    const rig = await startLxc();
    rig.permits.plant('op-dead', TEMPLATE_PERMIT, 'pve1 vzclone 9100');
    const call = testCall();
    const spec = specFor(rig.provider);
    expect((await failureOf(rig.provider.prepare(spec, call))).kind).toBe('waiting');
    rig.permits.end('op-dead');
    await rig.provider.prepare(spec, call);
    expect(rig.permits.held()).toEqual([`${TEMPLATE_PERMIT} ${call.holder}`]);
  });

  it('frees at once what holders that have succeeded left when they died in between', async () => {
    const rig = await startLxc();
    const { ref } = await startGuest(rig.provider);
    const dead = ['op-dead-1', 'op-dead-2', 'op-dead-3'];
    for (const holder of dead) rig.permits.plant(holder, DESTROYS_PERMIT, 'pve1 vzdestroy 9100');
    const call = testCall();
    expect((await failureOf(rig.provider.destroy(ref, call))).kind).toBe('waiting');
    for (const holder of dead) rig.permits.succeed(holder);
    await rig.provider.destroy(ref, call);
    expect(rig.permits.held()).toHaveLength(dead.length - 1);
  });

  it('does not free it while the template is locked, by whomever', async () => {
    const rig = await startLxc();
    rig.permits.plant('op-dead', TEMPLATE_PERMIT, 'pve1 vzclone 9100');
    rig.pve.operator.lock(CT_TEMPLATE.vmid, 'disk');
    rig.permits.age('op-dead', TEMPLATE_PERMIT, LEASE_MS);
    expect((await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()))).kind).toBe('waiting');
  });
});

describe('a template that stays locked', () => {
  const patience = { permitLeaseMs: 60_000, templateLockMs: 30 };

  it('leaves rotation with one alert and the command, and returns when it is seen unlocked', async () => {
    const rig = await startLxc({ driver: { patience }, pve: { templates: [CT_TEMPLATE, TWIN] } });
    rig.pve.operator.lock(CT_TEMPLATE.vmid, 'disk');
    const seen = await sourcesOf(rig, 1);
    expect(seen).toEqual(['9101']);
    await new Promise((resolve) => setTimeout(resolve, patience.templateLockMs));
    expect(await sourcesOf(rig, 1)).toEqual(['9101']);
    expect(await sourcesOf(rig, 1)).toEqual(['9101']);
    expect(rig.alerts).toHaveLength(1);
    expect(rig.alerts[0]).toMatchObject({ name: 'template.locked' });
    expect(rig.alerts[0]?.remediation).toContain('pct unlock 9100');

    rig.pve.operator.unlock(CT_TEMPLATE.vmid);
    rig.pve.operator.lock(TWIN.vmid, 'disk');
    expect(await sourcesOf(rig, 1)).toEqual(['9100']);
  });

  it('says the command when it was the only one', async () => {
    const rig = await startLxc({ driver: { patience } });
    rig.pve.operator.lock(CT_TEMPLATE.vmid, 'disk');
    await sourcesOf(rig, 1);
    await new Promise((resolve) => setTimeout(resolve, patience.templateLockMs));
    const failure = await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()));
    expect(failure).toMatchObject({ kind: 'source_missing', effect: 'none' });
    expect(failure.remediation).toContain('pct unlock 9100');
  });

  it('stays while a clone of ours is what locks it', async () => {
    const rig = await startLxc({ driver: { patience }, pve: { latency: { ctCloneMs: 400 } } });
    const call = testCall();
    const intent = await rig.provider.prepare(specFor(rig.provider), call);
    await rig.provider.create(intent, call);
    for (let looks = 0; looks < 3; looks += 1) {
      expect((await failureOf(rig.provider.prepare(specFor(rig.provider), testCall()))).kind).toBe('waiting');
      await new Promise((resolve) => setTimeout(resolve, patience.templateLockMs));
    }
    expect(rig.alerts).toEqual([]);
  });

  async function sourcesOf(rig: PveRig, count: number): Promise<readonly string[]> {
    const found = [];
    for (let index = 0; index < count; index += 1) {
      const call = testCall();
      const { source } = await rig.provider.prepare(specFor(rig.provider, BOTH), call);
      found.push(source);
      await rig.permits.release(call.holder, `pve:test:template:${source}`);
    }
    return found;
  }
});

describe('the other limits', () => {
  const fill = (rig: PveRig, name: string, limit: number) => {
    for (let index = 0; index < limit; index += 1) {
      rig.permits.plant(`op-other-${index}`, name, 'pve1 qmstart 1');
    }
  };

  it('does not free a boot at once whose start goes on, or has ended, at the other kind of the same node', async () => {
    const rig = await startLxc();
    fill(rig, 'pve:test:boots:pve1', PERMIT_LIMITS.bootsPerNode);
    for (const held of rig.permits.held()) rig.permits.end(held.split(' ')[1] ?? '');
    expect((await failureOf(startGuest(rig.provider))).kind).toBe('waiting');
    expect(rig.permits.held()).toHaveLength(PERMIT_LIMITS.bootsPerNode);
  });

  it.each([
    ['boots:pve1', PERMIT_LIMITS.bootsPerNode, 'start'],
    ['suspends:pve1/local-lvm', PERMIT_LIMITS.suspendsPerStorage, 'pause'],
    ['boots:pve1', PERMIT_LIMITS.bootsPerNode, 'resume'],
    ['destroys', PERMIT_LIMITS.destroysPerEndpoint, 'destroy'],
    ['clones:pve1', PERMIT_LIMITS.vmClonesPerNode, 'clone'],
  ] as const)('%s: the one above %i waits to %s, and has changed nothing', async (name, limit, act) => {
    const rig = await startVm();
    const { ref } = await startGuest(rig.provider);
    if (act === 'resume') await rig.provider.pause(ref, testCall());
    fill(rig, `pve:test:${name}`, limit);
    const call = testCall();
    const acts = {
      start: () => startGuest(rig.provider),
      clone: () => rig.provider.prepare(specFor(rig.provider), call),
      pause: () => rig.provider.pause(ref, call),
      resume: () => rig.provider.resume(ref, { allowColdBoot: false }, call),
      destroy: () => rig.provider.destroy(ref, call),
    };
    const failure = await failureOf(acts[act]());
    expect(failure).toMatchObject({ kind: 'waiting', effect: act === 'start' ? 'applied' : 'none' });
    expect(call.steps).toEqual([]);
  });

  it('gives every permit back, whatever became of what was done under it', async () => {
    const rig = await startVm();
    const { ref } = await startGuest(rig.provider);
    const exitstatus = 'VM is locked (backup)';
    rig.faults.add({
      times: 1,
      action: { kind: 'fail-task', taskType: 'qmsuspend', exitstatus, at: 'begin' },
    });
    await failureOf(rig.provider.pause(ref, testCall()));
    expect(rig.permits.held()).toEqual([]);
    await rig.provider.pause(ref, testCall());
    await rig.provider.resume(ref, { allowColdBoot: false }, testCall());
    await rig.provider.destroy(ref, testCall());
    expect(rig.permits.held()).toEqual([]);
  });

  it('lets VMs be cloned side by side, from one template', async () => {
    const rig = await startVm();
    await Promise.all(Array.from({ length: PERMIT_LIMITS.vmClonesPerNode }, () => startGuest(rig.provider)));
    expect(rig.nativeIds()).toHaveLength(PERMIT_LIMITS.vmClonesPerNode);
    expect(TEMPLATE.vmid).toBe(9000);
  });
});

async function untilFree(rig: PveRig): Promise<void> {
  const isLocked = () =>
    rig.pve.inventory().guests.find(({ vmid }) => vmid === CT_TEMPLATE.vmid)?.lock !== undefined;
  while (isLocked()) await new Promise((resolve) => setTimeout(resolve, 10));
}
