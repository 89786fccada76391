/** What the checker reads: every record that says who answers for a guest, also before the guest says so itself. */
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { judgeSystem } from '../support/verdict.ts';

let letGo = () => {};
let world: TestSystem | undefined;
afterEach(async () => {
  letGo();
  await world?.close();
});

test('a clone that was killed before it had its marker is answered for by the start that made it', async () => {
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  world = await startTestSystem({
    onStep: async (name, when) => {
      if (name === 'create' && when === 'after') await gate;
    },
  });
  const { simulators, producer, vms } = world;
  simulators.pve.faults.add({ action: { kind: 'kill-task', taskType: 'qmclone', at: 'middle' }, times: 1 });
  const started = producer.start({ preset: PRESET });
  await eventually('the clone is there, without a name', () => vms()[0]?.lock === 'clone');
  expect(vms()[0]?.description ?? '').toBe('');
  expect((await judgeSystem(world)).unanswered).toEqual([]);
  letGo();
  expect(await started).toMatchObject({ provider: 'morph' });
});
