/**
 * The outboxes of the webhook: per sandbox a list of transitions that its receiver has not settled, written by
 * `record-transition.lua` in the transaction that made the transition true, and only while workers announce a
 * webhook. An entry leaves its outbox from the head, as delivered or as a dead letter; so the order holds by
 * itself.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { SANDBOX_STATES, type SandboxState } from '../core/sandbox.ts';
import { viewSandbox } from '../core/views.ts';
import {
  type AlertChangedEvent,
  type SandboxChangedEvent,
  type WebhookEvent,
  webhookEventId,
} from '../core/webhook.ts';
import { alertSchema } from './alerts.ts';
import { ALERTS_OUTBOX, type Keys, WEBHOOK_MAX_DEAD } from './keys.ts';
import { fieldsFromList, parseSandbox } from './records.ts';
import type { Scripts } from './scripts.ts';

/**
 * Where an event waits: the outbox of its sandbox, or the one of all alerts. Whatever below says "sandbox" means
 * either.
 */
export function outboxOf(event: WebhookEvent): string {
  return event.type === 'sandbox.changed' ? event.sandboxId : ALERTS_OUTBOX;
}

export interface OutboxEntry {
  readonly event: WebhookEvent;
  /** As it is in Redis: whoever takes it off proves with it that it still is the head. */
  readonly text: string;
}

export interface DeadLetter {
  readonly event: WebhookEvent;
  readonly reason: string;
  readonly tries: number;
  readonly deadAtMs: number;
}

export interface DeliveryTries {
  readonly tries: number;
  /** Why the last one failed. */
  readonly reason: string;
  /** When the sweep is to look whether the next try is on its way. */
  readonly lookAtMs: number;
}

export interface WebhookTotals {
  /** Transitions that wait for their delivery. */
  readonly backlog: number;
  readonly delivered: number;
  /** Tries that did not settle anything. */
  readonly failed: number;
  readonly dead: number;
  /** Never kept: the backlog was full, or the webhook was taken away. */
  readonly dropped: number;
}

export interface WebhookOutbox {
  /** From now until then transitions go to the outboxes. Said again and again by workers that have a URL. */
  announce(untilMs: number): Promise<void>;
  isAnnounced(nowMs: number): Promise<boolean>;
  /** The oldest entry of a sandbox. */
  head(sandboxId: string): Promise<OutboxEntry | undefined>;
  tries(entry: OutboxEntry): Promise<DeliveryTries | undefined>;
  /** Notes a failed try and when the next is due. */
  postpone(entry: OutboxEntry, tries: DeliveryTries): Promise<void>;
  /** Takes the entry off. False when it was no longer the head: somebody else did. */
  settle(entry: OutboxEntry, verdict: 'delivered' | 'dropped', nowMs: number): Promise<boolean>;
  /** Takes the entry off and keeps it as a dead letter. */
  bury(entry: OutboxEntry, letter: Omit<DeadLetter, 'event'>): Promise<boolean>;
  deadLetter(eventId: string): Promise<DeadLetter | undefined>;
  /** Newest first. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]>;
  /** A dead letter that was delivered after all. */
  unbury(eventId: string): Promise<void>;
  /** Sandboxes whose outbox is due, most overdue first. */
  due(untilMs: number, limit: number): Promise<readonly string[]>;
  /** Looked at and nothing to do now: due again then. */
  lookAgain(sandboxId: string, atMs: number): Promise<void>;
  totals(): Promise<WebhookTotals>;
  /** Calls back with the sandbox of each new entry, until closed. A hint only: messages get lost. */
  listen(onEntry: (sandboxId: string) => void): { close(): void };
}

const states = z.enum(SANDBOX_STATES);
const alertEntrySchema = z.object({
  type: z.enum(['alert.raised', 'alert.cleared']),
  sequence: z.number(),
  atMs: z.coerce.number(),
  alert: alertSchema,
});
const changeEntrySchema = z.object({
  sequence: z.number(),
  atMs: z.coerce.number(),
  sandboxId: z.string(),
  operationId: z.string(),
  from: z.union([states, z.literal('')]),
  to: states,
  record: z.array(z.string()),
});
const triesSchema = z.object({
  sequence: z.number(),
  tries: z.number(),
  reason: z.string(),
  lookAtMs: z.number(),
});
const deadSchema = z.object({
  entry: z.string(),
  reason: z.string(),
  tries: z.number(),
  deadAtMs: z.number(),
});

export interface WebhookOutboxDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly deployment: string;
}

export function createWebhookOutbox({ redis, keys, scripts, deployment }: WebhookOutboxDeps): WebhookOutbox {
  const { webhook } = keys;
  const parseLetter = (text: string): DeadLetter => {
    const { entry, ...letter } = deadSchema.parse(JSON.parse(text));
    return { event: parseEntry(deployment, entry).event, ...letter };
  };

  async function takeOff({ event, text }: OutboxEntry, verdict: string, nowMs: number, letter: string) {
    const { outbox, due, tries, totals, dead, deadIndex } = webhook;
    const left = await scripts.run(
      'settle-webhook',
      [outbox(outboxOf(event)), due, tries, totals, dead, deadIndex],
      [outboxOf(event), text, verdict, nowMs, event.id, letter, WEBHOOK_MAX_DEAD],
    );
    return Number(left) >= 0;
  }

  return {
    async announce(untilMs) {
      await redis.hset(keys.deployment, 'webhookUntilMs', untilMs);
    },
    async isAnnounced(nowMs) {
      return Number((await redis.hget(keys.deployment, 'webhookUntilMs')) ?? 0) >= nowMs;
    },
    async head(sandboxId) {
      const text = await redis.lindex(webhook.outbox(sandboxId), 0);
      return text === null ? undefined : parseEntry(deployment, text);
    },
    async tries({ event }) {
      const text = await redis.hget(webhook.tries, outboxOf(event));
      const noted = text === null ? undefined : triesSchema.parse(JSON.parse(text));
      return noted?.sequence === event.sequence ? noted : undefined;
    },
    async postpone({ event }, tries) {
      await redis
        .multi()
        .hset(webhook.tries, outboxOf(event), JSON.stringify({ ...tries, sequence: event.sequence }))
        .zadd(webhook.due, 'XX', tries.lookAtMs, outboxOf(event))
        .hincrby(webhook.totals, 'failed', 1)
        .exec();
    },
    settle: (entry, verdict, nowMs) => takeOff(entry, verdict, nowMs, ''),
    bury: (entry, letter) =>
      takeOff(entry, 'dead', letter.deadAtMs, JSON.stringify({ entry: entry.text, ...letter })),

    async deadLetter(eventId) {
      const text = await redis.hget(webhook.dead, eventId);
      return text === null ? undefined : parseLetter(text);
    },
    async deadLetters(limit) {
      const ids = await redis.zrevrange(webhook.deadIndex, 0, limit - 1);
      const texts = ids.length === 0 ? [] : await redis.hmget(webhook.dead, ...ids);
      return texts.flatMap((text) => (text === null ? [] : [parseLetter(text)]));
    },
    async unbury(eventId) {
      await redis
        .multi()
        .zrem(webhook.deadIndex, eventId)
        .hdel(webhook.dead, eventId)
        .hincrby(webhook.totals, 'delivered', 1)
        .exec();
    },

    due: (untilMs, limit) => redis.zrangebyscore(webhook.due, '-inf', untilMs, 'LIMIT', 0, limit),
    async lookAgain(sandboxId, atMs) {
      await redis.zadd(webhook.due, 'XX', atMs, sandboxId);
    },
    async totals() {
      const stored = await redis.hgetall(webhook.totals);
      const count = (name: keyof WebhookTotals) => Number(stored[name] ?? 0);
      return {
        backlog: count('backlog'),
        delivered: count('delivered'),
        failed: count('failed'),
        dead: count('dead'),
        dropped: count('dropped'),
      };
    },

    listen(onEntry) {
      const subscriber = redis.duplicate({ enableOfflineQueue: true, maxRetriesPerRequest: null });
      subscriber.on('error', () => {
        // The sweep makes up for what is missed, and ioredis connects again by itself.
      });
      subscriber.on('message', (_channel, sandboxId: string) => onEntry(sandboxId));
      subscriber.subscribe(webhook.hints).catch(() => undefined);
      return { close: () => subscriber.disconnect() };
    },
  };
}

function parseEntry(deployment: string, text: string): OutboxEntry {
  const stored: unknown = JSON.parse(text);
  const alert = alertEntrySchema.safeParse(stored);
  const event = alert.success ? alertEvent(deployment, alert.data) : changeEvent(deployment, stored);
  return { event, text };
}

function alertEvent(deployment: string, entry: z.output<typeof alertEntrySchema>): AlertChangedEvent {
  return { id: webhookEventId(ALERTS_OUTBOX, entry.sequence), deployment, ...entry };
}

function changeEvent(deployment: string, stored: unknown): SandboxChangedEvent {
  const { record, ...facts } = changeEntrySchema.parse(stored);
  return {
    id: webhookEventId(facts.sandboxId, facts.sequence),
    type: 'sandbox.changed',
    deployment,
    ...facts,
    to: facts.to satisfies SandboxState,
    sandbox: viewSandbox(parseSandbox(fieldsFromList(record))),
  };
}
