/**
 * One BullMQ queue per provider. A job is one attempt and carries only what finds the attempt's record and
 * what people read on the board; the record is the truth. BullMQ's own retries stay off (`attempts: 1`).
 */
import { type JobState, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { NewerSchemaError } from '../core/newer-schema.ts';
import { OPERATION_KINDS, type Operation, type OperationKind } from '../core/operation.ts';
import { PROVIDER_NAMES, type ProviderName } from '../core/provider-name.ts';
import type { QueueCounts } from '../core/views.ts';
import type { Keys } from '../store/keys.ts';
import { createWebhookQueue, type WebhookQueue } from './webhook-queue.ts';

export const JOB_SCHEMA_VERSION = 1;

const versioned = z.object({ schemaVersion: z.number() });

const attemptJobSchema = z.object({
  schemaVersion: z.number(),
  operationId: z.string(),
  attempt: z.number(),
  kind: z.enum(OPERATION_KINDS),
  provider: z.enum(PROVIDER_NAMES),
  sandboxId: z.string(),
  /** What a `discard` is claimed on; for other kinds the guest it is about, where that was known beforehand. */
  guestId: z.string().exactOptional(),
  /** How often its worker looked in vain for the operation's record. */
  recordLooks: z.number().exactOptional(),
});

export type AttemptJob = z.output<typeof attemptJobSchema>;

/** @throws `NewerSchemaError` */
export function parseAttemptJob(data: unknown): AttemptJob {
  const { schemaVersion } = versioned.parse(data);
  if (schemaVersion > JOB_SCHEMA_VERSION) throw new NewerSchemaError('the job', schemaVersion);
  return attemptJobSchema.parse(data);
}

/** What people wait for goes first; a start must not queue behind a burst of pauses. Lower runs earlier. */
const PRIORITY: Record<OperationKind, number> = {
  resume: 1,
  inspect: 1,
  destroy: 2,
  start: 3,
  pause: 4,
  configure: 4,
  discard: 5,
};

/** Finished jobs stay on the board for a week, as long as the records behind them, but never without bound. */
const KEPT_JOBS = { age: 7 * 24 * 60 * 60, count: 10_000 };

/** BullMQ keeps jobs that wait with a priority, as all of ours do, apart from others that wait. */
const COUNTED_STATES = ['waiting', 'prioritized', 'active', 'delayed', 'failed'] as const;

export type AttemptQueue = Queue<AttemptJob>;

export interface Queues {
  readonly byProvider: ReadonlyMap<ProviderName, AttemptQueue>;
  readonly webhook: WebhookQueue;
  /**
   * Adds the job of an attempt; a job that is there already stays as it is. `guestId`: the guest it is about, as
   * far as that is known; its worker then reads it together with the claim.
   */
  addAttempt(
    operation: Operation,
    attempt: number,
    provider: ProviderName,
    delayMs: number,
    guestId?: string,
  ): Promise<void>;
  /** `missing` when the queue has no such job. */
  attemptState(operationId: string, attempt: number, provider: ProviderName): Promise<JobState | 'missing'>;
  /** Brings a parked attempt back now instead of when its delay is over. */
  wake(operation: Operation): Promise<void>;
  counts(provider: ProviderName): Promise<QueueCounts>;
  close(): Promise<void>;
}

export function queueName(provider: ProviderName): string {
  return `sandbox-${provider}`;
}

export function attemptJobId(operationId: string, attempt: number): string {
  return `${operationId}-a${attempt}`;
}

export function createQueues(redis: Redis, keys: Keys): Queues {
  const byProvider = new Map(
    PROVIDER_NAMES.map((provider) => [provider, createQueue(queueName(provider), redis, keys)]),
  );
  const webhook = createWebhookQueue(redis, keys);
  const queueOf = (provider: ProviderName) => byProvider.get(provider) as AttemptQueue;

  return {
    byProvider,
    webhook,

    async addAttempt(operation, attempt, provider, delayMs, knownGuestId) {
      const guestId = operation.guestId ?? knownGuestId;
      const name = `${operation.kind} ${operation.guestId ?? operation.sandboxId} on ${provider}, attempt ${attempt}`;
      const job: AttemptJob = {
        schemaVersion: JOB_SCHEMA_VERSION,
        operationId: operation.id,
        attempt,
        kind: operation.kind,
        provider,
        sandboxId: operation.sandboxId,
        ...(guestId === undefined ? {} : { guestId }),
      };
      await queueOf(provider).add(name, job, {
        jobId: attemptJobId(operation.id, attempt),
        priority: PRIORITY[operation.kind],
        delay: delayMs,
        attempts: 1,
        removeOnComplete: KEPT_JOBS,
        removeOnFail: KEPT_JOBS,
      });
    },

    async attemptState(operationId, attempt, provider) {
      const state = await queueOf(provider).getJobState(attemptJobId(operationId, attempt));
      return state === 'unknown' ? 'missing' : state;
    },

    async wake(operation) {
      const attempt = operation.attempts.at(-1);
      if (attempt === undefined) return;
      const job = await queueOf(attempt.provider).getJob(attemptJobId(operation.id, attempt.number));
      // Between its last look and its parking it is not delayed yet: then its own delay brings it back.
      if (await job?.isDelayed()) await job?.promote().catch(() => undefined);
    },

    async counts(provider) {
      const counts = await queueOf(provider).getJobCounts(...COUNTED_STATES);
      const { waiting = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts;
      return { waiting: waiting + prioritized, active, delayed, failed };
    },

    async close() {
      await Promise.all([...byProvider.values(), webhook].map((queue) => queue.close()));
    },
  };
}

function createQueue(name: string, redis: Redis, keys: Keys): AttemptQueue {
  const queue = new Queue<AttemptJob>(name, { connection: redis, prefix: keys.tag });
  // BullMQ passes the connection's errors on; whoever made the connection logs them.
  queue.on('error', () => undefined);
  return queue;
}
