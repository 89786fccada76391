import { z } from 'zod';
import { dayText, parseDay } from '../../core/day.ts';
import type { LifecycleService } from '../lifecycle-service.ts';
import { defineRoute, type Route } from './route.ts';
import { meteredLineSchema, meteredLinesSchema } from './schemas.ts';

const body = z.strictObject({
  id: z.string().min(1).max(100),
  line: z.string().regex(/^[\w.-]{1,64}$/, 'a name of letters, digits, _ . -'),
  /** To the micro-dollar; below zero to take back. */
  usd: z.number().min(-1_000_000).max(1_000_000),
  atDay: z.string().refine((text) => parseDay(text) !== undefined, 'a day such as 2026-11-22'),
});

export function costLineRoutes(service: LifecycleService): readonly Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/costs/lines',
      name: 'tellCostLine',
      summary: 'Tell what another line of the bill cost, such as AI providers or Convex',
      description:
        'Counts on its day, in the same total as sandboxes. The same `id` again changes nothing; to correct one, tell the difference under another `id`. Not for tokens of one team.',
      role: 'operator',
      body,
      replies: { 200: { description: 'The line as it counts.', schema: meteredLineSchema } },
      errors: ['forbidden', 'idempotency_key_reused'],
      async handle({ body: { id, line, usd, atDay }, caller, context }) {
        const day = parseDay(atDay) ?? 0;
        const told = { id, line, microUsd: Math.round(usd * 1_000_000), day };
        return context.json(await service.tellCostLine(told, caller));
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/costs/lines',
      name: 'costLines',
      summary: 'The other lines of the bill: fixed ones of the price book, and what was told',
      role: 'viewer',
      replies: { 200: { description: 'By day, the oldest first; 13 months.', schema: meteredLinesSchema } },
      errors: ['forbidden'],
      async handle({ caller, context }) {
        const { fixed, metered } = await service.costLines(caller);
        return context.json({
          fixed: fixed.map(({ line, fromDay, untilDay, usdPerMonth }) => ({
            line,
            usdPerMonth: Number(usdPerMonth.numerator) / Number(usdPerMonth.denominator),
            from: dayText(fromDay),
            ...(untilDay === undefined ? {} : { until: dayText(untilDay) }),
          })),
          metered,
        });
      },
    }),
  ];
}
