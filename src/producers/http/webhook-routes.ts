/** `GET /v1/webhooks/dead`: what the webhook's receiver never took. */
import { z } from 'zod';
import { LifecycleError } from '../../core/lifecycle-error.ts';
import type { WebhookEvent } from '../../core/webhook.ts';
import { wholeNumber } from './query.ts';
import { defineRoute, type Route } from './route.ts';
import { deadLettersSchema } from './schemas.ts';

export interface DeadLetterView {
  readonly event: WebhookEvent;
  /** Why it was given up. */
  readonly reason: string;
  readonly tries: number;
  /** Unix time, ms. */
  readonly deadAtMs: number;
}

export interface WebhookReader {
  /** Newest first. */
  deadLetters(limit: number): Promise<readonly DeadLetterView[]>;
  totals(): Promise<{ readonly backlog: number; readonly dead: number; readonly dropped: number }>;
}

const MAX_LETTERS = 200;

export function webhookRoutes(reader: WebhookReader): readonly Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/webhooks/dead',
      name: 'listDeadLetters',
      summary: 'Transitions that the webhook gave up, newest first, and how much still waits',
      role: 'operator',
      query: z.strictObject({ limit: wholeNumber({ min: 1, max: MAX_LETTERS, initial: 50 }) }),
      replies: { 200: { description: 'Dead letters with totals.', schema: deadLettersSchema } },
      errors: ['forbidden'],
      async handle({ query, caller, context }) {
        if (caller.teamId !== undefined) throw ofEveryTeam();
        const [letters, { backlog, dead, dropped }] = await Promise.all([
          reader.deadLetters(query.limit),
          reader.totals(),
        ]);
        return context.json({ letters, totals: { backlog, dead, dropped } });
      },
    }),
  ];
}

function ofEveryTeam(): LifecycleError {
  return new LifecycleError({
    code: 'forbidden',
    message: 'dead letters hold sandboxes of every team: they are for operators that belong to none',
    retryable: false,
  });
}
