/**
 * Bull Board over the providers' queues: every attempt with its reason and what followed. It sits behind the
 * access check; viewers get it read-only, by a hook that refuses and by hiding what would be refused.
 */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type { BoardHooks } from '@bull-board/api/typings/app';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { contextStorage, getContext } from 'hono/context-storage';
import { holdsRole } from '../core/principal.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { AttemptQueue } from '../queues/queues.ts';
import type { WebhookQueue } from '../queues/webhook-queue.ts';
import { describeCost } from './cost-line.ts';
import type { CostsReader } from './costs/read-costs.ts';
import { createFailureSummary } from './failure-summary.ts';
import type { PageEnv } from './pages.tsx';

export interface BoardOptions {
  readonly basePath: string;
  readonly deployment: string;
  /** Shown in the board's header, so that nobody takes a simulator for the real thing. */
  readonly simulated: boolean;
  readonly webhookQueue?: WebhookQueue['queue'];
  /** What it gives is some seconds old at most, so that polling the board asks Redis for no money. */
  readonly costs: CostsReader;
}

/** A failed attempt retried by hand is harmless: its operation has gone on, and the job finds that out. */
const RETRY_NOTE = 'A retry by hand does nothing when a later attempt has taken over.';

const WEBHOOK_LABELS = {
  displayName: 'webhook',
  description:
    'Transitions told to the webhook. A failed one is a dead letter; its retry sends it once more.',
};

export function createBoard(
  queues: ReadonlyMap<ProviderName, AttemptQueue>,
  { basePath, deployment, simulated, webhookQueue, costs }: BoardOptions,
): Hono<PageEnv> {
  const serverAdapter = new HonoAdapter(serveStatic);
  serverAdapter.setBasePath(basePath);
  createBullBoard({
    queues: [
      ...[...queues].map(
        ([provider, queue]) =>
          new BullMQAdapter(queue, {
            displayName: provider,
            description: `Attempts on ${provider}${simulated ? ' (simulated)' : ''}. ${RETRY_NOTE}`,
          }),
      ),
      ...(webhookQueue ? [new BullMQAdapter(webhookQueue, WEBHOOK_LABELS)] : []),
    ],
    serverAdapter,
    options: {
      handlerHooks: createHooks(queues, costs),
      uiConfig: {
        boardTitle: 'cmux-lifecycle',
        environment: {
          label: simulated ? `${deployment}: simulated` : deployment,
          color: simulated ? '#b45309' : '#1d4ed8',
        },
        miscLinks: [
          { text: 'Fleet', url: '/' },
          { text: 'Costs', url: '/costs' },
        ],
        hideRedisDetails: true,
        hideDocsLink: true,
        showWorkers: false,
        pollingInterval: { showSetting: true },
      },
    },
  });
  const board = new Hono<PageEnv>();
  board.use(contextStorage());
  board.use(async (context, next) => {
    // Job names tell of every team's sandboxes.
    if (context.var.principal.teamId === undefined) return next();
    const message = 'the queues hold every team’s attempts, and this token is for one team';
    return context.json({ code: 'forbidden', message, retryable: false }, 403);
  });
  board.route('/', serverAdapter.registerPlugin());
  return board;
}

function createHooks(queues: ReadonlyMap<ProviderName, AttemptQueue>, costs: CostsReader): BoardHooks {
  const summaries = new Map(
    [...queues.values()].map((queue) => [queue.name, createFailureSummary(queue, Date.now)]),
  );
  const providers = new Map([...queues].map(([provider, queue]) => [queue.name, provider]));
  const mayAct = () => holdsRole(getContext<PageEnv>().var.principal, 'operator');
  return {
    before({ method }) {
      if (method === 'get' || mayAct()) return undefined;
      return { allow: false, status: 403, message: 'viewers read only' };
    },
    async after({ method, route }, result) {
      const { body } = result;
      if (method !== 'get' || route !== '/api/queues' || !isQueueList(body)) return result;
      const readOnlyMode = !mayAct();
      const month = await costs.month(undefined);
      const described = body.queues.map(async (queue) => {
        const provider = providers.get(queue.name);
        const cost = provider && describeCost(month, provider);
        const summary = await summaries.get(queue.name)?.();
        return {
          ...queue,
          readOnlyMode: readOnlyMode || queue.readOnlyMode,
          description: [cost, summary, queue.description].filter(Boolean).join(' '),
        };
      });
      return { ...result, body: { ...body, queues: await Promise.all(described) } };
    },
  };
}

interface ListedQueue {
  readonly name: string;
  readonly description?: string;
  readonly readOnlyMode: boolean;
}

function isQueueList(body: unknown): body is { readonly queues: readonly ListedQueue[] } {
  return typeof body === 'object' && body !== null && 'queues' in body && Array.isArray(body.queues);
}
