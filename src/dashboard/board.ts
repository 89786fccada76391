import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import type { Hono } from 'hono';
import type { ProviderName } from '../core/provider-name.ts';
import type { AttemptQueue } from '../queues/queues.ts';

export interface BoardOptions {
  readonly basePath: string;
  readonly deployment: string;
  /** Shown in the board's header, so that nobody takes a simulator for the real thing. */
  readonly simulated: boolean;
}

/** A failed attempt retried by hand is harmless: its operation has gone on, and the job finds that out. */
const RETRY_NOTE = 'A retry by hand does nothing when a later attempt has taken over.';

/** Bull Board over the providers' queues: every attempt with its reason and what followed. */
export function createBoard(
  queues: ReadonlyMap<ProviderName, AttemptQueue>,
  { basePath, deployment, simulated }: BoardOptions,
): Hono {
  const serverAdapter = new HonoAdapter(serveStatic);
  serverAdapter.setBasePath(basePath);
  createBullBoard({
    queues: [...queues].map(
      ([provider, queue]) =>
        new BullMQAdapter(queue, {
          displayName: provider,
          description: `Attempts on ${provider}${simulated ? ' (simulated)' : ''}. ${RETRY_NOTE}`,
        }),
    ),
    serverAdapter,
    options: {
      uiConfig: {
        boardTitle: 'cmux-lifecycle',
        environment: {
          label: simulated ? `${deployment}: simulated` : deployment,
          color: simulated ? '#b45309' : '#1d4ed8',
        },
        hideRedisDetails: true,
        showWorkers: false,
        pollingInterval: { showSetting: true },
      },
    },
  });
  return serverAdapter.registerPlugin();
}
