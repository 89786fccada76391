import { expect, test } from 'vitest';
import { startSystem } from '../../src/main/system.ts';
import { createProducer } from '../../src/producers/redis-producer.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem } from '../support/system.ts';

test('starts that fill a worker leave a slot to a destroy', async () => {
  let gated = false;
  let inside = 0;
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const base = await startTestSystem({
    workers: false,
    routing: { primary: 'morph', fallbacks: [], byWorkload: {} },
  });
  const system = await startSystem({
    ...base.options,
    concurrency: { perWorker: 8, perProvider: 16 },
    roles: ['workers', 'sweeps'],
    onStep: async (name, when) => {
      if (!gated || name !== 'create' || when !== 'after') return;
      inside += 1;
      await gate;
    },
  });
  const producer = createProducer(system.store, system.submitter);
  try {
    const sandbox = await producer.start({ preset: PRESET });
    gated = true;
    const starts = Array.from({ length: 12 }, () => producer.start({ preset: PRESET }).catch(() => {}));
    await eventually('starts are inside', () => inside >= 8);
    const result = await producer.destroy(sandbox.id, { timeoutMs: 4_000 }).catch((error: unknown) => error);
    letGo();
    await Promise.all(starts);
    expect(result).toMatchObject({ state: 'destroyed' });
  } finally {
    letGo();
    await system.close();
    await base.close();
  }
}, 60_000);

test('a destroy whose guest record is missing still removes the guest', async () => {
  const { producer, system, vms, close } = await startTestSystem();
  try {
    const sandbox = await producer.start({ preset: PRESET });
    await system.store.redis.del(system.store.keys.guest(sandbox.guestId ?? ''));
    expect(await producer.destroy(sandbox.id)).toMatchObject({ state: 'destroyed' });
    expect(vms()).toEqual([]);
  } finally {
    await close();
  }
});
