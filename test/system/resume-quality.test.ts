/** What a caller may rely on when a resume has succeeded, and what it is told to do then. */
import { afterEach, expect, test } from 'vitest';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let world: TestSystem;
afterEach(() => world.close());

test.each([
  ['pve-vm', ['connections', 'clock']],
  ['pve-lxc', ['connections', 'processes']],
  ['morph', ['connections']],
] as const)(
  'a resume on %s says what is to be opened or started anew, until the next pause',
  async (provider, told) => {
    world = await startTestSystem();
    const keepsMemory = provider !== 'pve-lxc';
    const { id, reconnect } = await world.producer.start({
      preset: PRESET,
      preferredProvider: provider,
      allowFallback: false,
    });
    expect(reconnect).toBeUndefined();
    await world.producer.pause(id, { requiresRamSnapshot: keepsMemory });
    expect((await world.producer.resume(id)).reconnect).toEqual(told);
    expect((await world.producer.get(id)).reconnect).toEqual(told);
    expect((await world.producer.pause(id, { requiresRamSnapshot: keepsMemory })).reconnect).toBeUndefined();
  },
);

test('a resume that set the clock says how far it was behind, and leaves nothing to do about it', async () => {
  world = await startTestSystem({ setClock: true });
  const { id } = await world.producer.start({ preset: PRESET, preferredProvider: 'pve-vm' });
  await world.producer.pause(id);
  const { reconnect } = await world.producer.resume(id);
  expect(reconnect).toEqual(['connections']);
  const { operations } = await world.producer.why(id);
  expect(operations.find(({ kind }) => kind === 'resume')?.clock).toEqual({
    behindMs: expect.any(Number),
    isRight: true,
  });
});

test('a resume of what runs already breaks no connection', async () => {
  world = await startTestSystem();
  const { id } = await world.producer.start({ preset: PRESET });
  expect((await world.producer.resume(id)).reconnect).toBeUndefined();
});

test('a resume is not called done when another guest answers at its address', async () => {
  world = await startTestSystem({
    onStep: async (name, when) => {
      if (name !== 'resume' || when !== 'after') return;
      for (const { vmid } of world.vms()) world.simulators.pve.operator.configure(vmid, { description: '' });
    },
  });
  const { id } = await world.producer.start({ preset: PRESET });
  await world.producer.pause(id);
  await expect(world.producer.resume(id)).rejects.toMatchObject({ code: 'provider_failed' });
});
