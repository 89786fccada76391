import { afterAll, beforeAll, expect, test } from 'vitest';
import { getSandboxProvider, SandboxProviderManager } from '../../src/producers/adapters/adapters.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
});
afterAll(() => system.close());

const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => 'no error',
    (error: { code?: string }) => error.code,
  );

test('one provider: start, pause with memory, resume, stop, all through the roadmap’s interface', async () => {
  const provider = getSandboxProvider(system.producer, { preferredProvider: 'proxmox-kvm' });
  expect(provider).toMatchObject({ name: 'pve-vm', supportsRamSnapshot: true });
  expect(await provider.healthCheck()).toBe(true);

  const instance = await provider.startInstance({ preset: PRESET, workloadType: 'dev' });
  expect(instance).toMatchObject({ provider: 'pve-vm', status: 'running', supportsRamSnapshot: true });
  await provider.pauseInstance(instance.id);
  expect(await provider.getInstanceStatus(instance.id)).toBe('paused');
  await provider.resumeInstance(instance.id);
  expect((await provider.listInstances()).map(({ id, status }) => [id, status])).toEqual([
    [instance.id, 'running'],
  ]);
  await provider.stopInstance(instance.id);
  expect(await provider.getInstanceStatus(instance.id)).toBe('deleted');
  expect(await provider.listInstances()).toEqual([]);
  expect(system.vms()).toEqual([]);
});

test('one provider answers for its own sandboxes only, and its starts go nowhere else', async () => {
  const pve = getSandboxProvider(system.producer, { preferredProvider: 'pve-vm' });
  const morph = getSandboxProvider(system.producer, { preferredProvider: 'morph' });
  const instance = await morph.startInstance({ preset: PRESET });
  expect(instance.provider).toBe('morph');
  expect(await pve.listInstances()).toEqual([]);
  expect(await codeOf(pve.stopInstance(instance.id))).toBe('not_found');
  expect(await morph.getInstanceStatus(instance.id)).toBe('running');
  await morph.stopInstance(instance.id);

  await system.simulators.pve.setDown(true);
  expect(await codeOf(pve.startInstance({ preset: PRESET }))).toBe('no_provider_available');
  await system.simulators.pve.setDown(false);
});

test('the manager falls back, tells where the sandbox really is, and finds it there', async () => {
  const manager = new SandboxProviderManager(system.producer);
  await system.simulators.pve.setDown(true);
  const instance = await manager.startInstance({ preset: PRESET, preferredProvider: 'proxmox' });
  await system.simulators.pve.setDown(false);
  expect(instance).toMatchObject({ provider: 'morph', fellBackFrom: ['pve-vm'] });
  await manager.pauseInstance(instance.id);
  expect(await manager.getInstanceStatus(instance.id)).toBe('paused');
  await manager.resumeInstance(instance.id, 'morph');
  expect(await codeOf(manager.stopInstance(instance.id, 'pve-vm'))).toBe('not_found');
  await manager.stopInstance(instance.id);
  expect(await manager.listInstances()).toEqual([]);
});

test('getProvider gives the preferred provider while it is healthy, else all of them', async () => {
  const manager = new SandboxProviderManager(system.producer);
  expect((await manager.getProvider({ preferredProvider: 'morph' })).name).toBe('morph');
  const [known] = await system.producer.providers();
  const ailing = (change: object) =>
    new SandboxProviderManager({
      ...system.producer,
      providers: () => Promise.resolve(known ? [{ ...known, provider: 'morph', ...change }] : []),
    });
  expect((await ailing({}).getProvider({ preferredProvider: 'morph' })).name).toBe('morph');
  for (const change of [{ healthy: false }, { breaker: 'open' }, { ageMs: 60_001 }, { provider: 'pve-vm' }]) {
    expect((await ailing(change).getProvider({ preferredProvider: 'morph' })).name).toBe('auto');
  }
  expect((await manager.getProvider()).name).toBe('auto');
  expect(await codeOf(manager.getProvider({ preferredProvider: 'docker' }))).toBe('invalid_request');
});

test('containers cannot keep memory, and say so', () => {
  expect(getSandboxProvider(system.producer, { preferredProvider: 'proxmox-lxc' })).toMatchObject({
    name: 'pve-lxc',
    supportsRamSnapshot: false,
  });
});
