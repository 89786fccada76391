/**
 * Those who ask: random requests through the same service that the API and the Redis producer use. A request
 * that met no Redis is sent again under its key until it has an answer, as both clients do; what was answered
 * with an operation is a promise that the checker holds the system to.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isLifecycleError } from '../src/core/lifecycle-error.ts';
import type { Operation } from '../src/core/operation.ts';
import { connectRedis } from '../src/platform/redis.ts';
import { createLifecycleService, type LifecycleService } from '../src/producers/lifecycle-service.ts';
import { parse, startRequestSchema } from '../src/producers/requests.ts';
import { reported } from '../src/producers/store-trouble.ts';
import { createQueues } from '../src/queues/queues.ts';
import { createSubmitter, type Submitter } from '../src/queues/submit-operation.ts';
import { createStore } from '../src/store/store.ts';
import type { Accepted, Finding } from './checker.ts';
import type { Asked } from './schedule.ts';

export interface Callers {
  ask(asked: Asked, twice: boolean): Promise<void>;
  /** Asks how a sandbox is, so that its record follows its guest. */
  refresh(sandboxId: string): Promise<void>;
  readonly accepted: readonly Accepted[];
  /** Every sandbox that was promised. */
  readonly sandboxIds: ReadonlySet<string>;
  /** One key that became two operations. */
  readonly doubled: readonly Finding[];
  /** Answers that nobody should get. */
  readonly unexpected: readonly Finding[];
  readonly refused: () => number;
  close(): Promise<void>;
}

const PRESET = '4vcpu_8gb_32gb';
/** The simulated node has room for about as many; more would only be turned away. */
const MAX_SANDBOXES = 24;
const RETRY_MS = 250;
/** Longer than any absence of Redis here, by far. */
const ANSWER_WITHIN_MS = 60_000;

const EXPECTED_REFUSALS: ReadonlySet<string> = new Set([
  'no_provider_available',
  'ram_snapshot_unsupported',
  'sandbox_ended',
  'too_many_operations',
  'wrong_state',
  'illegal_combination',
]);

export async function startCallers(redisUrl: string, deployment: string): Promise<Callers> {
  const redis = await connectRedis(redisUrl, { role: 'producer' });
  const store = createStore(redis, deployment);
  const queues = createQueues(redis, store.keys);
  const submitter = createSubmitter({ store, queues, nowMs: Date.now });
  const service = createLifecycleService({ store, submitter, nowMs: Date.now });

  const accepted: Accepted[] = [];
  const targets: string[] = [];
  const doubled: Finding[] = [];
  const unexpected: Finding[] = [];
  let refused = 0;

  async function untilAnswered(send: () => Promise<Operation | undefined>): Promise<Operation | undefined> {
    const giveUpAtMs = performance.now() + ANSWER_WITHIN_MS;
    for (;;) {
      try {
        return await send();
      } catch (error) {
        const code = isLifecycleError(error) ? error.code : 'no LifecycleError';
        if (code === 'store_unavailable' && performance.now() < giveUpAtMs) await delay(RETRY_MS);
        else {
          refused += 1;
          if (!EXPECTED_REFUSALS.has(code)) unexpected.push({ id: code, why: String(error) });
          return undefined;
        }
      }
    }
  }

  function note(operation: Operation): void {
    const { id, kind, sandboxId } = operation;
    accepted.push({ operationId: id, sandboxId });
    if (kind === 'start' && !targets.includes(sandboxId)) targets.push(sandboxId);
    if (kind === 'destroy' && targets.includes(sandboxId)) targets.splice(targets.indexOf(sandboxId), 1);
  }

  return {
    accepted,
    doubled,
    unexpected,
    refused: () => refused,
    get sandboxIds() {
      return new Set(accepted.map(({ sandboxId }) => sandboxId));
    },
    async ask(asked, twice) {
      const target = 'pick' in asked ? targets[Math.floor(asked.pick * targets.length)] : undefined;
      if (asked.kind === 'start' ? targets.length >= MAX_SANDBOXES : target === undefined) return;
      const idempotencyKey = randomUUID();
      const send = () => request({ service, submitter }, asked, target ?? '', idempotencyKey);
      const answers = await Promise.all(Array.from({ length: twice ? 2 : 1 }, () => untilAnswered(send)));
      const ids = new Set(answers.flatMap((operation) => (operation ? [operation.id] : [])));
      if (ids.size > 1) doubled.push({ id: idempotencyKey, why: `one key: ${[...ids].join(', ')}` });
      for (const operation of answers) if (operation) note(operation);
    },
    async refresh(sandboxId) {
      await untilAnswered(async () => {
        await service.refreshed(sandboxId, { name: 'chaos' });
        return undefined;
      });
    },
    async close() {
      await queues.close();
      await store.close();
      redis.disconnect();
    },
  };
}

async function request(
  { service, submitter }: { readonly service: LifecycleService; readonly submitter: Submitter },
  asked: Asked,
  target: string,
  idempotencyKey: string,
): Promise<Operation | undefined> {
  const change = { caller: { name: 'chaos' }, idempotencyKey };
  switch (asked.kind) {
    case 'start': {
      const { kind: _kind, ...options } = asked;
      return service.start(parse(startRequestSchema, { preset: PRESET, ...options }), change);
    }
    case 'pause':
      return service.pause(target, { requiresRamSnapshot: asked.requiresRamSnapshot }, change);
    case 'resume':
      return service.resume(target, { onLostMemory: asked.onLostMemory }, change);
    case 'destroy':
      return service.destroy(target, change);
    case 'inspect':
      return reported(() =>
        submitter.change('inspect', target, {}, { idempotencyKey, requestedBy: 'chaos' }),
      );
    case 'ttl':
      await service.adjust(target, { ttlSeconds: asked.ttlSeconds }, change);
      return undefined;
    case 'protection':
      await service.adjust(target, { protected: asked.protected }, change);
      return undefined;
  }
}
