/** What a hand in Redis, or a Redis of another kind, must not break. */
import { expect, test } from 'vitest';
import { createSweepQueue } from '../../src/queues/sweep-queues.ts';
import { slotsWithReserve } from '../../src/workers/slot-share.ts';
import type { Sweep } from '../../src/workers/sweep.ts';
import { SWEEPS } from '../../src/workers/sweep-worker.ts';
import { eventually } from '../support/eventually.ts';
import { startClusterNode } from '../support/redis.ts';
import { FAST_RECOVERY, PRESET, startTestSystem } from '../support/system.ts';

test('schedules and global limits that were deleted by hand are there again after a while', async () => {
  const world = await startTestSystem({ recovery: { ...FAST_RECOVERY, reassertMs: 200 } });
  const { store, queues } = world.system;
  const sweep = createSweepQueue('expire', store.redis, store.keys);
  try {
    const limit = slotsWithReserve(world.options.concurrency.perProvider);
    const attempts = queues.byProvider.get('pve-vm');
    if (attempts === undefined) throw new Error('there is no queue of pve-vm');
    expect(await attempts.getGlobalConcurrency()).toBe(limit);
    await attempts.removeGlobalConcurrency();
    await sweep.removeGlobalConcurrency();
    const scheduled = Object.entries<Sweep>(SWEEPS).flatMap(([name, sweep]) =>
      sweep.inEachProcess ? [] : [name],
    );
    for (const name of scheduled) {
      const queue = createSweepQueue(name, store.redis, store.keys);
      await queue.removeJobScheduler(name);
      await queue.close();
    }
    await eventually('the limits are back', async () => {
      return (await attempts.getGlobalConcurrency()) === limit && (await sweep.getGlobalConcurrency()) === 1;
    });
    for (const name of scheduled) {
      const queue = createSweepQueue(name, store.redis, store.keys);
      await eventually(
        `the schedule of ${name} is back`,
        async () => (await queue.getJobSchedulersCount()) === 1,
      );
      await queue.close();
    }
  } finally {
    await sweep.close();
    await world.close();
  }
});

/**
 * One node that has all slots: it refuses, as any cluster does, every command and script whose keys are of
 * different slots. So this shows that one hash tag holds everything together, not that resharding goes unnoticed.
 */
test('a node in cluster mode serves everything: all keys of a deployment are of one slot', async () => {
  const node = await startClusterNode();
  const world = await startTestSystem({ redisUrl: node.url });
  try {
    const { producer, simulators, system } = world;
    const { id } = await producer.start({ preset: PRESET });
    expect(await producer.pause(id)).toMatchObject({ state: 'paused' });
    expect(await producer.resume(id)).toMatchObject({ state: 'running', memoryKept: true });
    await simulators.pve.setDown(true);
    expect(await producer.start({ preset: PRESET })).toMatchObject({ provider: 'morph' });
    await simulators.pve.setDown(false);
    expect(await producer.destroy(id)).toMatchObject({ state: 'destroyed' });
    const keys = await system.store.redis.keys('*');
    const slots = await Promise.all(keys.map((key) => system.store.redis.cluster('KEYSLOT', key)));
    expect(keys.length).toBeGreaterThan(0);
    expect(new Set(slots).size).toBe(1);
  } finally {
    await world.close();
    await node.stop();
  }
});
