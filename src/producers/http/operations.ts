import { z } from 'zod';
import { isSettled, OPERATION_STATES } from '../../core/operation.ts';
import { viewOperation } from '../../core/views.ts';
import type { LifecycleService } from '../lifecycle-service.ts';
import { anyId, cursor } from '../requests.ts';
import { commaList, wait, wholeNumber } from './query.ts';
import { defineRoute, type Route } from './route.ts';
import { operationListSchema, operationSchema } from './schemas.ts';

export function operationRoutes(service: LifecycleService): readonly Route[] {
  return [getRoute(service), listRoute(service)];
}

function getRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/operations/{id}',
    name: 'getOperation',
    summary: 'One operation with every attempt; with `wait`, once it settled or the wait is over',
    role: 'viewer',
    params: z.strictObject({ id: anyId }),
    query: z.strictObject({ wait }),
    replies: { 200: { description: 'The operation as it is.', schema: operationSchema } },
    errors: ['not_found'],
    async handle({ params, query, caller, context }) {
      const operation = await service.operation(params.id, caller);
      if (query.wait === 0 || isSettled(operation.state)) return context.json(viewOperation(operation));
      const timeoutMs = query.wait * 1_000;
      const settled = await service.untilSettled(operation, { timeoutMs, signal: context.req.raw.signal });
      return context.json(viewOperation(settled?.operation ?? (await service.operation(params.id, caller))));
    },
  });
}

function listRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/operations',
    name: 'listOperations',
    summary: 'Operations, newest first; settled ones are kept for 7 days',
    role: 'viewer',
    query: z.strictObject({
      state: commaList(OPERATION_STATES).exactOptional(),
      limit: wholeNumber({ min: 1, max: 200, initial: 50 }),
      cursor: cursor.exactOptional(),
    }),
    replies: { 200: { description: 'One page.', schema: operationListSchema } },
    errors: [],
    async handle({ query, caller, context }) {
      const { state, ...page } = query;
      const { items, cursor: next } = await service.operations(
        { ...page, states: state ?? [...OPERATION_STATES] },
        caller,
      );
      return context.json({
        operations: items.map(viewOperation),
        ...(next === undefined ? {} : { cursor: next }),
      });
    },
  });
}
