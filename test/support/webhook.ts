/** What the tests of the webhook share: a receiver, and sandboxes that change without any provider. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SandboxState } from '../../src/core/sandbox.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import {
  type AlertChangedEvent,
  type SandboxChangedEvent,
  verifyWebhook,
} from '../../src/producers/webhook/receive-webhook.ts';
import { createWebhookQueue, type WebhookQueue } from '../../src/queues/webhook-queue.ts';
import { emit } from '../../src/store/events.ts';
import { SCHEMA_VERSION } from '../../src/store/records.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { sharedRedisUrl } from './redis.ts';

export const SECRET = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
export const PREVIOUS_SECRET = 'the-secret-before-it-which-is-plain-text';

export interface Received {
  readonly event: SandboxChangedEvent;
  readonly headers: Headers;
  readonly body: string;
}

/** What to answer: a status, with headers, or nothing at all. */
export type Answer =
  | number
  | { readonly status: number; readonly headers: Record<string, string> }
  | 'nothing';

export interface Receiver {
  readonly url: string;
  /** Every change of a sandbox that arrived and was verified, whatever it was answered. */
  readonly received: readonly Received[];
  /** What it settled with 2xx, in the order of the answers. */
  readonly settled: readonly SandboxChangedEvent[];
  /** What was told of alerts; always settled. */
  readonly alerts: readonly AlertChangedEvent[];
  /** Requests whose signature or time was wrong. */
  readonly refused: readonly string[];
  answer: (event: SandboxChangedEvent) => Answer;
  close(): Promise<void>;
}

export async function startReceiver(
  options: { readonly secrets?: readonly string[]; readonly nowMs?: () => number } = {},
): Promise<Receiver> {
  const { secrets = [SECRET], nowMs = Date.now } = options;
  const received: Received[] = [];
  const settled: SandboxChangedEvent[] = [];
  const alerts: AlertChangedEvent[] = [];
  const refused: string[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const headers = new Headers(request.headers as Record<string, string>);
    try {
      const event = await verifyWebhook({ headers, body }, { secrets, nowMs: nowMs() });
      if (event.type !== 'sandbox.changed') {
        alerts.push(event);
        response.writeHead(200).end('thanks');
        return;
      }
      received.push({ event, headers, body });
      const answer = receiver.answer(event);
      if (answer === 'nothing') return;
      const { status, headers: extra } =
        typeof answer === 'number' ? { status: answer, headers: {} } : answer;
      if (status < 300) settled.push(event);
      response.writeHead(status, extra).end('thanks');
    } catch (error) {
      refused.push(String(error));
      response.writeHead(401).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=hidden`,
    received,
    settled,
    alerts,
    refused,
    answer: () => 200,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

export interface WebhookBench {
  readonly deployment: string;
  readonly store: Store;
  readonly queue: WebhookQueue;
  /** A sandbox that was just asked for. */
  create(): Promise<string>;
  /** Changes its state as a settlement would: record and event in one transaction. */
  move(sandboxId: string, from: SandboxState | '', to: SandboxState): Promise<void>;
  close(): Promise<void>;
}

export async function startBench(): Promise<WebhookBench> {
  const deployment = `test-${randomBytes(6).toString('hex')}`;
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  const store = createStore(redis, deployment);
  const queue = createWebhookQueue(redis, store.keys);

  async function move(sandboxId: string, from: SandboxState | '', to: SandboxState): Promise<void> {
    const transaction = store.begin().setFields(store.keys.sandbox(sandboxId), { state: to });
    emit(transaction, store.keys, 'sandbox.changed', Date.now(), {
      sandboxId,
      operationId: 'op-test',
      from,
      to,
    });
    const result = await transaction.commit();
    if (!result.ok) throw new Error('the transition was refused');
  }

  return {
    deployment,
    store,
    queue,
    move,
    async create() {
      const id = `sbx-${randomBytes(8).toString('hex')}`;
      const now = Date.now();
      await store.redis.hset(store.keys.sandbox(id), {
        id,
        schemaVersion: SCHEMA_VERSION,
        state: 'requested',
        version: 1,
        epoch: 0,
        createdAtMs: now,
        updatedAtMs: now,
        cause: 'op-test',
        request: JSON.stringify({
          preset: '4vcpu_8gb_32gb',
          teamId: 'team-ü',
          requiresRamSnapshot: false,
          allowFallback: true,
          metadata: {},
          onExpiry: 'pause',
          protected: false,
        }),
      });
      await move(id, '', 'requested');
      return id;
    },
    async close() {
      await queue.close();
      await store.close();
      redis.disconnect();
    },
  };
}
