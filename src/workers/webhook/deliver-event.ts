/**
 * One job of the queue `webhook`: sends the event if it is its sandbox's oldest, decides what follows, and notes
 * that in the outbox before the job is told. A crash anywhere leaves the entry at the head of its outbox; it is
 * sent again then, with the same id.
 */
import { type AfterDelivery, decideAfterDelivery } from '../../core/webhook.ts';
import type { Logger } from '../../platform/log.ts';
import type { WebhookJob, WebhookQueue } from '../../queues/webhook-queue.ts';
import type { Store } from '../../store/store.ts';
import type { DeadLetter, OutboxEntry } from '../../store/webhook-outbox.ts';
import { sendEvent, type WebhookTarget } from './send-event.ts';

export interface DeliveryDeps {
  readonly store: Store;
  readonly queue: WebhookQueue;
  readonly target: WebhookTarget;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly requestTimeoutMs: number;
}

export type DeliveryResult =
  | { readonly result: 'delivered' }
  | { readonly result: 'skipped'; readonly why: string }
  | { readonly result: 'parked'; readonly delayMs: number; readonly reason: string }
  | { readonly result: 'dead'; readonly reason: string };

/** How long after a try was to come the sweep may believe that its job is lost. */
const JOB_EXPECTED_WITHIN_MS = 5_000;

export async function deliverEvent(
  deps: DeliveryDeps,
  { eventId, sandboxId }: WebhookJob,
  signal: AbortSignal,
): Promise<DeliveryResult> {
  const { webhook } = deps.store;
  const entry = await webhook.head(sandboxId);
  if (entry?.event.id !== eventId) {
    const letter = await webhook.deadLetter(eventId);
    return letter ? redeliver(deps, letter, signal) : { result: 'skipped', why: 'it has been settled' };
  }
  const earlier = await webhook.tries(entry);
  const tries = (earlier?.tries ?? 0) + 1;
  const next = await tryOnce(deps, entry, tries, signal);
  switch (next.step) {
    case 'settle':
      await webhook.settle(entry, 'delivered', deps.nowMs());
      await addHead(deps, sandboxId);
      return { result: 'delivered' };
    case 'retry': {
      const lookAtMs = deps.nowMs() + next.delayMs + JOB_EXPECTED_WITHIN_MS;
      await webhook.postpone(entry, { tries, reason: next.reason, lookAtMs });
      return { result: 'parked', delayMs: next.delayMs, reason: next.reason };
    }
    case 'give_up':
      await webhook.bury(entry, { reason: next.reason, tries, deadAtMs: deps.nowMs() });
      deps.log.error({ eventId, sandboxId, tries }, `webhook: dead letter: ${next.reason}`);
      await addHead(deps, sandboxId);
      return { result: 'dead', reason: next.reason };
  }
}

/** Adds the job of what is now the oldest entry, if there is one. */
export async function addHead(
  { store, queue }: Pick<DeliveryDeps, 'store' | 'queue'>,
  sandboxId: string,
): Promise<void> {
  const head = await store.webhook.head(sandboxId);
  if (head) await queue.add(head.event);
}

async function tryOnce(
  { target, nowMs, requestTimeoutMs }: DeliveryDeps,
  { event }: Pick<OutboxEntry, 'event'>,
  tries: number,
  signal: AbortSignal,
): Promise<AfterDelivery> {
  const answer = await sendEvent(event, target, { nowMs: nowMs(), timeoutMs: requestTimeoutMs, signal });
  return decideAfterDelivery({ answer, tries, ageMs: nowMs() - event.atMs });
}

/** Somebody pressed retry on a dead letter: one try, out of its order, which its sequence tells. */
async function redeliver(
  deps: DeliveryDeps,
  letter: DeadLetter,
  signal: AbortSignal,
): Promise<DeliveryResult> {
  const next = await tryOnce(deps, letter, letter.tries + 1, signal);
  if (next.step !== 'settle') return { result: 'dead', reason: next.reason };
  await deps.store.webhook.unbury(letter.event.id);
  return { result: 'delivered' };
}
