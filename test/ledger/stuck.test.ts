/** What a sandbox costs that only a person can free: what its guest was seen to be, and no longer what it was before. */
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let world: TestSystem | undefined;
afterEach(() => world?.close());

async function startOnProxmox(): Promise<TestSystem & { readonly id: string }> {
  world = await startTestSystem();
  const { id } = await world.producer.start({ preset: PRESET });
  return { ...world, id };
}

async function billedAs({ system }: TestSystem, sandboxId: string): Promise<readonly string[]> {
  const open = await system.store.ledger.openIntervals();
  return open.filter(({ account }) => account.sandboxId === sandboxId).map(({ state }) => state);
}

test('a removal that fails at its last step has left no machine that takes memory', async () => {
  const { simulators, producer, id, ...rest } = await startOnProxmox();
  simulators.pve.faults.add({
    action: { kind: 'fail-task', taskType: 'qmdestroy', exitstatus: 'it went wrong', at: 'end' },
    times: 1,
  });
  await expect(producer.destroy(id)).rejects.toThrow();
  expect(await producer.get(id)).toMatchObject({ state: 'stuck' });
  expect(await billedAs({ simulators, producer, ...rest }, id)).toEqual(['stored']);
});

test('a suspend whose task died leaves a machine that goes on, and costs what it did', async () => {
  const { simulators, producer, id, ...rest } = await startOnProxmox();
  simulators.pve.faults.add({
    action: { kind: 'kill-task', taskType: 'qmsuspend', at: 'middle' },
    times: 1,
  });
  await expect(producer.pause(id)).rejects.toThrow();
  expect(await producer.get(id)).toMatchObject({ state: 'stuck' });
  expect(rest.vms()).toMatchObject([{ status: 'running' }]);
  expect(await billedAs({ simulators, producer, ...rest }, id)).toEqual(['running']);
});

test('a clone whose task died costs a disk at most, until somebody frees it', async () => {
  world = await startTestSystem();
  const { simulators, producer, system } = world;
  simulators.pve.faults.add({ action: { kind: 'kill-task', taskType: 'qmclone', at: 'middle' }, times: 1 });
  const { id } = await producer.start({ preset: PRESET });
  await eventually('it is stuck', async () =>
    (await system.store.alerts.active()).some(({ name }) => name === 'guests.stuck'),
  );
  expect([...(await billedAs(world, id))].toSorted()).toEqual(['running', 'stored']);
});
