import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { type Receiver, SECRET, startReceiver } from '../support/webhook.ts';

let system: TestSystem | undefined;
let receiver: Receiver | undefined;
afterEach(async () => {
  await system?.close();
  await receiver?.close();
});

test('the life of a real sandbox is told in full, with where it ran and whether memory was kept', async () => {
  receiver = await startReceiver();
  system = await startTestSystem({ webhook: { url: receiver.url, secrets: [SECRET] } });
  const { id } = await system.producer.start({ preset: PRESET, teamId: 'team-1', taskRunId: 'run-1' });
  await system.producer.pause(id);
  await system.producer.resume(id);
  await system.producer.destroy(id);

  const { settled } = receiver;
  await eventually('the last transition arrived', () => settled.at(-1)?.to === 'destroyed');
  expect(settled.map(({ from, to }) => [from, to])).toEqual([
    ['', 'requested'],
    ['requested', 'starting'],
    ['starting', 'running'],
    ['running', 'pausing'],
    ['pausing', 'paused'],
    ['paused', 'resuming'],
    ['resuming', 'running'],
    ['running', 'destroying'],
    ['destroying', 'destroyed'],
  ]);
  expect(settled.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(settled[2]?.sandbox).toMatchObject({
    id,
    state: 'running',
    provider: 'pve-vm',
    teamId: 'team-1',
    taskRunId: 'run-1',
  });
  expect(settled[4]?.sandbox).toMatchObject({ state: 'paused', preservesRam: true });
  // The history that people read has the same transitions, each once.
  const { history } = await system.producer.why(id);
  const told = history.filter(({ type }) => type === 'sandbox.changed').map(({ facts }) => facts.to);
  expect([...told].reverse()).toEqual(settled.map(({ to }) => to));
});
