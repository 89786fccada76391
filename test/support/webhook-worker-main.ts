/** A process that only delivers webhooks, for tests that kill it. Its options come as JSON. */
import { connectRedis } from '../../src/platform/redis.ts';
import { createWebhookQueue } from '../../src/queues/webhook-queue.ts';
import { createStore } from '../../src/store/store.ts';
import { startWebhookWorker, type WebhookWorkerOptions } from '../../src/workers/webhook/webhook-worker.ts';
import { log } from './log.ts';

const { redisUrl, deployment, ...options } = JSON.parse(process.argv[2] ?? '') as WebhookWorkerOptions & {
  readonly redisUrl: string;
  readonly deployment: string;
};

const redis = await connectRedis(redisUrl, { role: 'worker' });
const store = createStore(redis, deployment);
const queue = createWebhookQueue(redis, store.keys);
await startWebhookWorker({ store, queue, log, nowMs: Date.now }, options);
process.send?.({ ready: true });
