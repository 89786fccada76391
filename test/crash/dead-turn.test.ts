/** A worker that dies with a turn to clone in its hands, before it recorded what it was to clone. */
import { afterEach, expect, test } from 'vitest';
import { startSystem } from '../../src/main/system.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem } from '../support/system.ts';
import { startCutWorker } from './cut-worker.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const CONTAINER = { preset: PRESET, preferredProvider: 'pve-lxc' } as const;

test('the turn of a start that went elsewhere after its worker died, with no intent recorded, is free for the next at once', async () => {
  const world = await startTestSystem({
    workers: false,
    routing: { primary: 'pve-lxc', fallbacks: ['morph'], byWorkload: {} },
  });
  closers.push(world.close);
  const { producer, simulators } = world;
  let hasTurn = false;
  const dying = await startCutWorker(world.options, async ({ point }) => {
    hasTurn ||= point === 'after take-permit 1';
    return !hasTurn;
  });
  const first = producer.start(CONTAINER);
  first.catch(() => undefined);
  await eventually('the worker has the turn', () => hasTurn);
  await dying.kill();

  const message = 'Permission check failed';
  simulators.pve.faults.add({ path: '/cluster/resources', action: { kind: 'error', status: 403, message } });
  const system = await startSystem(world.options);
  closers.push(system.close);
  expect(await first).toMatchObject({ state: 'running', provider: 'morph' });
  simulators.pve.faults.clear();
  // Waiting for the dead worker's lease would take longer than a start waits for its turn.
  const second = await producer.start({ ...CONTAINER, allowFallback: false });
  expect(second).toMatchObject({ state: 'running', provider: 'pve-lxc' });
});
