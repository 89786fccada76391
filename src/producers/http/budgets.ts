import { z } from 'zod';
import type { LifecycleService } from '../lifecycle-service.ts';
import { defineRoute, type Route } from './route.ts';
import { budgetsSchema } from './schemas.ts';

export function budgetRoutes(service: LifecycleService): readonly Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/budgets',
      name: 'budgets',
      summary: 'What may be spent this month, what is, and what its end will see',
      description:
        'In the order of `BUDGETS_FILE`; empty without it. A token of one team sees the budgets of that team. ' +
        'Spent and forecast are as of `talliedAtMs`, at most a minute ago while sweeps run.',
      role: 'viewer',
      query: z.strictObject({}),
      replies: { 200: { description: 'The budgets.', schema: budgetsSchema } },
      errors: [],
      async handle({ caller, context }) {
        return context.json(await service.budgets(caller));
      },
    }),
  ];
}
