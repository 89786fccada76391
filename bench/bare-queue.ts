/**
 * What the control plane is measured against: one plain BullMQ job per operation, and nothing around it. Its
 * caller is told in the same way as ours: the worker writes a record and publishes its id as a hint, and the
 * caller reads the record.
 */
import { Queue, Worker } from 'bullmq';
import { connectRedis } from '../src/platform/redis.ts';

export interface BareQueue {
  /** Adds one job; resolves once the record that its worker wrote has been read. */
  run(): Promise<void>;
  close(): Promise<void>;
}

const DEPLOYMENT = 'bare';
const QUEUE = 'bare';
/** The same bounds as for the jobs of attempts. */
const KEPT_JOBS = { age: 7 * 24 * 60 * 60, count: 10_000 };
/** As long as a settled operation's record. */
const RECORD_MS = 7 * 24 * 60 * 60_000;

export async function startBareQueue(redisUrl: string, concurrency: number): Promise<BareQueue> {
  const connect = () => connectRedis(redisUrl, { role: 'worker' });
  const [producing, working, listening] = await Promise.all([connect(), connect(), connect()]);
  const prefix = `{${DEPLOYMENT}}`;
  const channel = `${prefix}:settlements`;
  const recordKey = (id: string) => `${prefix}:record:${id}`;

  const waiting = new Map<string, () => void>();
  listening.on('message', (_channel, id: string) => waiting.get(id)?.());
  await listening.subscribe(channel);

  const queue = new Queue(QUEUE, { connection: producing, prefix });
  const worker = new Worker(
    QUEUE,
    async ({ id = '', data }) => {
      await working
        .multi()
        .hset(recordKey(id), { id, state: 'succeeded', data: JSON.stringify(data), settledAtMs: Date.now() })
        .pexpire(recordKey(id), RECORD_MS)
        .publish(channel, id)
        .exec();
      return 'succeeded';
    },
    { connection: working, prefix, concurrency },
  );
  await worker.waitUntilReady();

  let added = 0;
  return {
    async run() {
      added += 1;
      const jobId = `job-${added}`;
      const told = new Promise<void>((resolve) => waiting.set(jobId, resolve));
      const job = { operationId: jobId, kind: 'start', sandboxId: jobId };
      await queue.add('start', job, {
        jobId,
        attempts: 1,
        removeOnComplete: KEPT_JOBS,
        removeOnFail: KEPT_JOBS,
      });
      await told;
      waiting.delete(jobId);
      const { state } = await producing.hgetall(recordKey(jobId));
      if (state !== 'succeeded') throw new Error(`${jobId} has no record`);
    },
    async close() {
      await worker.close();
      await queue.close();
      for (const connection of [producing, working, listening]) connection.disconnect();
    },
  };
}
