import { z } from 'zod';
import { statesToShow } from '../../core/listing.ts';
import { SANDBOX_STATES } from '../../core/sandbox.ts';
import { viewSandbox } from '../../core/views.ts';
import type { LifecycleService } from '../lifecycle-service.ts';
import { anyId, cursor, sandboxListSchema as listRequest, startRequestSchema, text } from '../requests.ts';
import { answerOperation } from './answer-operation.ts';
import { commaList, wait, wholeNumber } from './query.ts';
import { defineRoute, type Route } from './route.ts';
import { operationSchema, sandboxListSchema, sandboxSchema, whySchema } from './schemas.ts';

export const sandboxId = z.strictObject({
  id: anyId.describe('Our id, the guest’s, or the provider’s own.'),
});
export const SANDBOX_PATH = '/v1/sandboxes/{id}';

const { teamId, userId, taskRunId, provider, metadata } = listRequest.shape;

const listQuery = z.strictObject({
  state: commaList(SANDBOX_STATES).exactOptional(),
  teamId,
  userId,
  taskRunId,
  provider,
  metadata,
  limit: wholeNumber({ min: 1, max: 200, initial: 50 }),
  cursor: cursor.exactOptional(),
});

export const ACCEPTED = {
  description: 'The operation was accepted and has not settled within the wait.',
  schema: operationSchema,
  headers: { Location: 'Where to ask for the operation.' },
} as const;

/** How a start, and every change at a provider, may end. */
export const OPERATION_ERRORS = [
  'superseded',
  'deadline_exceeded',
  'provider_failed',
  'idempotency_key_reused',
] as const;

export function sandboxRoutes(service: LifecycleService): readonly Route[] {
  return [
    startRoute(service),
    listRoute(service),
    getRoute(service),
    destroyRoute(service),
    whyRoute(service),
    secretsRoute(service),
  ];
}

function startRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/sandboxes',
    name: 'startSandbox',
    summary: 'Start a sandbox',
    description:
      'Goes to the first provider of the route and on along it when that fails. A token of one team starts for that team.',
    role: 'operator',
    idempotent: true,
    query: z.strictObject({ wait }),
    body: startRequestSchema,
    replies: {
      201: { description: 'It runs and its service ports answer.', schema: sandboxSchema },
      202: ACCEPTED,
    },
    errors: [
      ...OPERATION_ERRORS,
      'unknown_preset',
      'illegal_combination',
      'no_provider_available',
      'no_capacity',
    ],
    async handle({ body, query, change, caller, context }) {
      const operation = await service.start(body, change());
      return answerOperation(service, operation, { context, caller, waitSeconds: query.wait });
    },
  });
}

function listRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/sandboxes',
    name: 'listSandboxes',
    summary: 'List sandboxes, newest first',
    description:
      'Without `state`: all that have not ended. Each page takes a bounded amount of work, so that with filters it may hold fewer than `limit`, even none, and still have a next one.',
    role: 'viewer',
    query: listQuery,
    replies: { 200: { description: 'One page.', schema: sandboxListSchema } },
    errors: [],
    async handle({ query, caller, context }) {
      const { state, ...filter } = query;
      const page = await service.list({ ...filter, states: [...statesToShow(state, false)] }, caller);
      const { items, cursor: next } = page;
      return context.json({
        sandboxes: items.map(viewSandbox),
        ...(next === undefined ? {} : { cursor: next }),
      });
    },
  });
}

function getRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'GET',
    path: SANDBOX_PATH,
    name: 'getSandbox',
    summary: 'One sandbox',
    description:
      'From our records; with `refresh` the provider is asked first and the record brought in line, which takes its turn behind what is under way. Nothing is woken.',
    role: 'viewer',
    params: sandboxId,
    query: z.strictObject({ refresh: z.enum(['true', 'false']).default('false') }),
    replies: { 200: { description: 'The sandbox.', schema: sandboxSchema } },
    errors: ['not_found', 'too_many_operations'],
    async handle({ params, query, caller, context }) {
      if (query.refresh === 'false')
        return context.json(viewSandbox(await service.sandbox(params.id, caller)));
      const sandbox = await service.refreshed(params.id, caller, context.req.raw.signal);
      return context.json(viewSandbox(sandbox));
    },
  });
}

function destroyRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'DELETE',
    path: SANDBOX_PATH,
    name: 'destroySandbox',
    summary: 'Destroy a sandbox',
    description: 'Means the same on every provider. A sandbox that has ended already: succeeds.',
    role: 'operator',
    idempotent: true,
    params: sandboxId,
    query: z.strictObject({ wait, expectTeamId: text.exactOptional() }),
    replies: { 200: { description: 'It is gone.', schema: sandboxSchema }, 202: ACCEPTED },
    errors: [...OPERATION_ERRORS, 'not_found', 'sandbox_stuck', 'too_many_operations'],
    async handle({ params, query, change, caller, context }) {
      const operation = await service.destroy(params.id, change(query.expectTeamId));
      return answerOperation(service, operation, { context, caller, waitSeconds: query.wait });
    },
  });
}

function whyRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'GET',
    path: `${SANDBOX_PATH}/why`,
    name: 'explainSandbox',
    summary: 'Why it is in its state: who or what moved it, what was tried',
    role: 'viewer',
    params: sandboxId,
    replies: { 200: { description: 'The receipts.', schema: whySchema } },
    errors: ['not_found'],
    async handle({ params, caller, context }) {
      return context.json(await service.why(params.id, caller));
    },
  });
}

function secretsRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'GET',
    path: `${SANDBOX_PATH}/secrets`,
    name: 'getSandboxSecrets',
    summary: 'The secrets of one sandbox, such as its exec token',
    description: 'For operators. Empty where the sandbox has none, or where no SECRETS_KEY is configured.',
    role: 'operator',
    params: sandboxId,
    replies: {
      200: {
        description: 'Secrets by name.',
        schema: z.object({ secrets: z.record(z.string(), z.string()) }),
        headers: { 'Cache-Control': '`no-store`' },
      },
    },
    errors: ['not_found'],
    async handle({ params, caller, context }) {
      context.header('Cache-Control', 'no-store');
      return context.json({ secrets: await service.secrets(params.id, caller) });
    },
  });
}
