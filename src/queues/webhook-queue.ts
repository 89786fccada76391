/**
 * The queue `webhook`: one job per event that has come to the head of its sandbox's outbox. The outbox is the
 * truth; a job only carries it and shows people what became of it. A job that failed is a dead letter, and its
 * retry button tries it once more.
 */
import { type JobState, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { NewerSchemaError } from '../core/newer-schema.ts';
import type { WebhookEvent } from '../core/webhook.ts';
import type { Keys } from '../store/keys.ts';
import { outboxOf } from '../store/webhook-outbox.ts';

export const WEBHOOK_QUEUE = 'webhook';

const JOB_SCHEMA_VERSION = 1;

const versioned = z.object({ schemaVersion: z.number() });
const webhookJobSchema = versioned.extend({
  eventId: z.string(),
  /** Or the outbox of alerts. */
  sandboxId: z.string(),
});

export type WebhookJob = z.output<typeof webhookJobSchema>;

/** @throws `NewerSchemaError` */
export function parseWebhookJob(data: unknown): WebhookJob {
  const { schemaVersion } = versioned.parse(data);
  if (schemaVersion > JOB_SCHEMA_VERSION) throw new NewerSchemaError('the job', schemaVersion);
  return webhookJobSchema.parse(data);
}

/** Delivered ones are of little interest; dead letters stay for a week, as many as are kept as records. */
const KEPT_DELIVERED = { count: 500 };
const KEPT_DEAD = { age: 7 * 24 * 60 * 60, count: 1_000 };

export interface WebhookQueue {
  readonly queue: Queue<WebhookJob>;
  /** Adds the job of an event; one that is there already stays as it is. */
  add(event: WebhookEvent): Promise<void>;
  state(eventId: string): Promise<JobState | 'missing'>;
  /** Takes away a job that ended although its event is still in the outbox, so that it can be added anew. */
  remove(eventId: string): Promise<void>;
  close(): Promise<void>;
}

export function createWebhookQueue(redis: Redis, keys: Keys): WebhookQueue {
  const queue = new Queue<WebhookJob>(WEBHOOK_QUEUE, { connection: redis, prefix: keys.tag });
  // BullMQ passes the connection's errors on; whoever made the connection logs them.
  queue.on('error', () => undefined);
  return {
    queue,
    async add(event) {
      const outbox = outboxOf(event);
      const job: WebhookJob = { schemaVersion: JOB_SCHEMA_VERSION, eventId: event.id, sandboxId: outbox };
      await queue.add(`${outbox} #${event.sequence}: ${headline(event)}`, job, {
        jobId: event.id,
        attempts: 1,
        removeOnComplete: KEPT_DELIVERED,
        removeOnFail: KEPT_DEAD,
      });
    },
    async state(eventId) {
      const state = await queue.getJobState(eventId);
      return state === 'unknown' ? 'missing' : state;
    },
    async remove(eventId) {
      await queue.remove(eventId);
    },
    close: () => queue.close(),
  };
}

function headline(event: WebhookEvent): string {
  if (event.type !== 'sandbox.changed') return `${event.type} ${event.alert.name} ${event.alert.subject}`;
  return event.from === '' ? event.to : `${event.from} → ${event.to}`;
}
