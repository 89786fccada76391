/**
 * The BullMQ worker of the webhook. It runs only where a URL is configured, and says so in Redis, so that every
 * process that makes a transition true, producers without any configuration included, writes it to the outbox.
 */
import { DelayedError, type Job, Worker } from 'bullmq';
import { isNewerSchema } from '../../core/newer-schema.ts';
import type { Logger } from '../../platform/log.ts';
import {
  parseWebhookJob,
  WEBHOOK_QUEUE,
  type WebhookJob,
  type WebhookQueue,
} from '../../queues/webhook-queue.ts';
import type { Store } from '../../store/store.ts';
import { tellQueueTrouble } from '../queue-trouble.ts';
import { addHead, type DeliveryDeps, type DeliveryResult, deliverEvent } from './deliver-event.ts';
import { REQUEST_TIMEOUT_MS, type WebhookTarget } from './send-event.ts';

export interface WebhookWorkerDeps {
  readonly store: Store;
  readonly queue: WebhookQueue;
  readonly log: Logger;
  readonly nowMs: () => number;
}

export interface WebhookWorkerOptions {
  readonly target: WebhookTarget;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** Default 10 s. */
  readonly requestTimeoutMs?: number;
}

export interface WebhookWorker {
  /** Takes no new delivery and lets those under way end, which the request timeout bounds. */
  close(): Promise<void>;
}

/** Deliveries at once in this process, each of another sandbox: one slow answer holds up one sandbox. */
const CONCURRENCY = 16;
/**
 * How long transitions are kept for a webhook whose workers are all away: as long as deliveries are tried. A
 * webhook that is taken out of the configuration stops growing after it.
 */
const ANNOUNCED_FOR_MS = 24 * 60 * 60_000;
const ANNOUNCE_EVERY_MS = 60_000;
/** As for attempts: until one of the new release's workers has it. */
const NEWER_DELAY_MS = 2_000;
/** As for attempts: idempotence rests on the outbox, so a stall count says nothing. */
const MAX_STALLED_COUNT = 10;

export async function startWebhookWorker(
  deps: WebhookWorkerDeps,
  options: WebhookWorkerOptions,
): Promise<WebhookWorker> {
  const { store, log, nowMs } = deps;
  const { target, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const delivery: DeliveryDeps = { ...deps, target, requestTimeoutMs };
  const trouble = tellQueueTrouble(log, { queue: WEBHOOK_QUEUE });

  const announce = () => store.webhook.announce(nowMs() + ANNOUNCED_FOR_MS);
  await announce();
  const timer = setInterval(() => announce().catch(trouble), ANNOUNCE_EVERY_MS);
  const hints = store.webhook.listen((sandboxId) => addHead(deps, sandboxId).catch(trouble));
  const worker = createWorker(delivery, options, trouble);
  await worker.waitUntilReady();
  return {
    async close() {
      clearInterval(timer);
      hints.close();
      await worker.close();
    },
  };
}

function createWorker(
  delivery: DeliveryDeps,
  { lockMs, stalledCheckMs }: WebhookWorkerOptions,
  onError: (error: unknown) => void,
): Worker<WebhookJob> {
  const { store, log, nowMs } = delivery;

  async function deliver(data: unknown, signal: AbortSignal): Promise<DeliveryResult> {
    try {
      return await deliverEvent(delivery, parseWebhookJob(data), signal);
    } catch (error) {
      if (!isNewerSchema(error)) throw error;
      return { result: 'parked', reason: error.message, delayMs: NEWER_DELAY_MS };
    }
  }

  // BullMQ passes a signal only to processors that declare three parameters.
  async function processJob(job: Job<WebhookJob>, token?: string, signal?: AbortSignal) {
    const result = await deliver(job.data, signal ?? new AbortController().signal);
    switch (result.result) {
      case 'delivered':
        return 'delivered';
      case 'skipped':
        return `nothing to do: ${result.why}`;
      case 'dead':
        throw new DeadLetterError(result.reason);
      case 'parked':
        await job.log(`${result.reason}; next try in ${Math.ceil(result.delayMs / 1_000)} s`);
        await job.moveToDelayed(nowMs() + result.delayMs, token);
        throw new DelayedError();
    }
  }
  const worker = new Worker<WebhookJob>(WEBHOOK_QUEUE, processJob, {
    connection: store.redis,
    prefix: store.keys.tag,
    concurrency: CONCURRENCY,
    lockDuration: lockMs,
    stalledInterval: stalledCheckMs,
    maxStalledCount: MAX_STALLED_COUNT,
  });
  worker.on('error', onError);
  worker.on('lockRenewalFailed', (jobIds: string[]) => {
    for (const id of jobIds) worker.cancelJob(id, 'its lock in the queue was lost');
  });
  worker.on('failed', (job, error) => {
    if (error.name !== DeadLetterError.name) {
      log.error({ jobId: job?.id, err: error }, 'webhook: delivery crashed; the sweep carries on');
    }
  });
  return worker;
}

/** Given up, and everything about it is on record: the board shows its message. */
class DeadLetterError extends Error {
  override readonly name = 'DeadLetterError';
}
