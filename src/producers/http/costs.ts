import { z } from 'zod';
import { costsToCsv } from '../../core/costs.ts';
import { COST_GROUPS } from '../../core/usage.ts';
import type { LifecycleService } from '../lifecycle-service.ts';
import { commaList, wholeNumber } from './query.ts';
import { defineRoute, type Route } from './route.ts';
import { costsSchema, savingsSchema } from './schemas.ts';

/** A day, or a moment; both in UTC unless the moment says otherwise. */
const instant = z
  .string()
  .max(40)
  .refine(
    (text) => /^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(Date.parse(text)),
    'give a day or a time, such as 2026-11-01',
  )
  .transform((text) => Date.parse(text))
  .meta({ description: 'A day (UTC) or a moment, as in ISO 8601.', example: '2026-11-01' });

const costQuery = z.strictObject({
  from: instant.exactOptional(),
  to: instant.exactOptional(),
  groupBy: commaList(COST_GROUPS).exactOptional(),
  limit: wholeNumber({ min: 1, max: 10_000, initial: 100 }),
  format: z.enum(['json', 'csv']).default('json'),
});

export function costRoutes(service: LifecycleService): readonly Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/costs',
      name: 'costs',
      summary: 'What sandboxes cost in a time, and what of it belongs to none of them',
      description:
        'Default: this month so far, by provider. A token of one team sees what its own sandboxes cost. ' +
        '`format=csv` gives a spreadsheet. Amounts are whole micro-dollars; lines and others add up to the total.',
      role: 'viewer',
      query: costQuery,
      replies: {
        200: { description: 'Costs, the dearest lines first; CSV where asked for.', schema: costsSchema },
      },
      errors: [],
      async handle({ query: { from, to, format, ...rest }, caller, context }) {
        const times = {
          ...(from === undefined ? {} : { fromMs: from }),
          ...(to === undefined ? {} : { toMs: to }),
        };
        const costs = await service.costs({ ...times, ...rest }, caller);
        if (format === 'json') return context.json(costs);
        return context.body(costsToCsv(costs), 200, {
          'content-type': 'text/csv; charset=utf-8',
          'content-disposition': 'attachment; filename="costs.csv"',
        });
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/costs/savings',
      name: 'savings',
      summary: 'What sandboxes cost, and would have cost under other policies',
      description:
        'By day and month, each policy with its most and least favourable reading, and with its method in words. ' +
        'Compared every hour. Not for tokens of one team.',
      role: 'viewer',
      query: z.strictObject({ from: instant.exactOptional(), to: instant.exactOptional() }),
      replies: { 200: { description: 'Savings.', schema: savingsSchema } },
      errors: ['forbidden'],
      async handle({ query: { from, to }, caller, context }) {
        const times = {
          ...(from === undefined ? {} : { fromMs: from }),
          ...(to === undefined ? {} : { toMs: to }),
        };
        return context.json(await service.savings(times, caller));
      },
    }),
  ];
}
