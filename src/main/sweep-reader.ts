import { Queue } from 'bullmq';
import type { Sweep } from '../dashboard/fleet/fleet-view.ts';
import type { Store } from '../store/store.ts';
import { SWEEPS } from '../workers/sweep-worker.ts';

export interface SweepReader {
  read(): Promise<readonly Sweep[]>;
  close(): Promise<void>;
}

/** The schedules as they are in Redis, whichever process runs the sweeps. */
export function createSweepReader({ redis, keys }: Pick<Store, 'redis' | 'keys'>): SweepReader {
  const sweeps = Object.entries(SWEEPS).map(([name, { description, everyMs }]) => {
    const queue = new Queue(name, { connection: redis, prefix: keys.tag });
    // BullMQ passes the connection's errors on; whoever made the connection logs them.
    queue.on('error', () => undefined);
    return { name, description, everyMs, queue };
  });
  return {
    read: () =>
      Promise.all(
        sweeps.map(async ({ queue, name, description, everyMs }) => {
          const schedule = await queue.getJobScheduler(name);
          const nextAtMs = schedule?.next;
          return {
            name,
            description,
            everyMs: Number(schedule?.every ?? everyMs),
            ...(nextAtMs === undefined ? {} : { nextAtMs }),
          };
        }),
      ),
    async close() {
      await Promise.all(sweeps.map(({ queue }) => queue.close()));
    },
  };
}
