/**
 * Repairs what a crash or a lost hint left undone: outboxes that are due although no job of theirs is on its way.
 * Reads only the index of due outboxes. Where no worker announces a webhook any more, outboxes are emptied, so
 * that a webhook that was taken away leaves nothing behind.
 */
import type { JobState } from 'bullmq';
import type { Logger } from '../../platform/log.ts';
import type { WebhookQueue } from '../../queues/webhook-queue.ts';
import type { Store } from '../../store/store.ts';
import type { SweepRunOptions } from '../sweep.ts';

/** Outboxes looked at in one pass; the rest is due at the next, seconds later. */
const BATCH = 100;
/** Entries dropped from one outbox in one pass. */
const DROP_BATCH = 100;
/** How soon an outbox that needs nothing now is looked at again. */
const LOOK_AGAIN_MS = 30_000;

export type WebhookRepairCounts = Record<'due' | 'added' | 'dropped' | 'failed', number>;

const ON_ITS_WAY: ReadonlySet<JobState | 'missing'> = new Set([
  'waiting',
  'prioritized',
  'delayed',
  'active',
  'waiting-children',
]);

export async function repairWebhooks(
  {
    store,
    queues,
    nowMs,
    log,
  }: {
    readonly log: Logger;
    readonly store: Store;
    readonly queues: { readonly webhook: WebhookQueue };
    readonly nowMs: () => number;
  },
  { dryRun }: Pick<SweepRunOptions, 'dryRun'> = { dryRun: false },
): Promise<WebhookRepairCounts> {
  const now = nowMs();
  const counts: WebhookRepairCounts = { due: 0, added: 0, dropped: 0, failed: 0 };
  const due = await store.webhook.due(now, BATCH);
  if (due.length === 0 || dryRun) return { ...counts, due: due.length };
  const announced = await store.webhook.isAnnounced(now);
  for (const sandboxId of due) {
    counts.due += 1;
    try {
      if (!announced) counts.dropped += await dropEntries(store, sandboxId, now);
      else if (await repair(store, queues.webhook, sandboxId)) counts.added += 1;
    } catch (error) {
      // An entry that cannot be read must not stop the others.
      counts.failed += 1;
      log.error({ sandboxId, err: error }, 'webhook repair failed; it is tried again');
    }
    await store.webhook.lookAgain(sandboxId, now + LOOK_AGAIN_MS);
  }
  return counts;
}

async function repair(store: Store, queue: WebhookQueue, sandboxId: string): Promise<boolean> {
  const head = await store.webhook.head(sandboxId);
  if (head === undefined) return false;
  const state = await queue.state(head.event.id);
  if (ON_ITS_WAY.has(state)) return false;
  // Completed or failed with its entry still there: it crashed before it could note what happened.
  if (state !== 'missing') await queue.remove(head.event.id);
  await queue.add(head.event);
  return true;
}

async function dropEntries(store: Store, sandboxId: string, nowMs: number): Promise<number> {
  for (let dropped = 0; dropped < DROP_BATCH; dropped += 1) {
    const head = await store.webhook.head(sandboxId);
    if (head === undefined || !(await store.webhook.settle(head, 'dropped', nowMs))) return dropped;
  }
  return DROP_BATCH;
}
