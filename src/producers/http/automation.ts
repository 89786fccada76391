/** What happens without anybody asking: its state, the operator's word on it, and guests nobody answers for. */
import { z } from 'zod';
import { LifecycleError } from '../../core/lifecycle-error.ts';
import { PROVIDER_NAMES } from '../../core/provider-name.ts';
import type { AutomationService } from '../automation-service.ts';
import type { Caller } from '../lifecycle-service.ts';
import { defineRoute, type Route } from './route.ts';

const automationSchema = z.object({
  mode: z.enum(['normal', 'off', 'observing', 'adopt_only']),
  reason: z.string().describe('One sentence; empty while normal.'),
  destruction: z.enum(['on', 'off']).describe('The one switch of all automatic destruction.'),
  unobserved: z.int().describe('Sandboxes that have yet to be asked for while observing.'),
  distrustBeforeMs: z.int().exactOptional(),
  confirmedAtMs: z.int().exactOptional(),
});

const guestSchema = z.object({
  id: z.string(),
  provider: z.enum(PROVIDER_NAMES),
  providerId: z.string().exactOptional(),
  node: z.string().exactOptional(),
  sandboxId: z.string().describe('What its marker names; there may be no such sandbox here.'),
  operationId: z.string(),
  teamId: z.string().exactOptional(),
  userId: z.string().exactOptional(),
  taskRunId: z.string().exactOptional(),
  preset: z.string().exactOptional(),
  cause: z.string(),
});

export function automationRoutes(automation: AutomationService): readonly Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/automation',
      name: 'getAutomation',
      summary: 'What may happen without anybody asking, and why not',
      role: 'viewer',
      replies: { 200: { description: 'The state now.', schema: automationSchema } },
      errors: ['forbidden'],
      async handle({ caller, context }) {
        onlyForAllTeams(caller);
        return context.json(await automation.view());
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/automation',
      name: 'steerAutomation',
      summary: 'Confirm that the registry is right as it is, or switch automatic destruction off and on',
      description:
        'Confirming ends adopt-only mode, and what a rebuild restored may expire like any other sandbox from then on. Switched off, nothing is destroyed but what a caller asked for.',
      role: 'admin',
      body: z.strictObject({ action: z.enum(['confirm', 'destruction-on', 'destruction-off']) }),
      replies: { 200: { description: 'The state after it.', schema: automationSchema } },
      errors: ['forbidden'],
      async handle({ body: { action }, caller, context }) {
        onlyForAllTeams(caller);
        if (action === 'confirm') return context.json(await automation.confirm(caller.name));
        const to = action === 'destruction-on' ? 'on' : 'off';
        return context.json(await automation.switchDestruction(to, caller.name));
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/guests',
      name: 'listUnownedGuests',
      summary: 'Guests of ours at a provider that no record answers for, the longest known first',
      role: 'viewer',
      query: z.strictObject({ state: z.literal('unowned') }),
      replies: {
        200: { description: 'At most 1,000.', schema: z.object({ guests: z.array(guestSchema) }) },
      },
      errors: ['forbidden'],
      async handle({ caller, context }) {
        onlyForAllTeams(caller);
        return context.json({ guests: await automation.unownedGuests() });
      },
    }),
  ];
}

function onlyForAllTeams({ teamId }: Caller): void {
  if (teamId === undefined) return;
  throw new LifecycleError({
    code: 'forbidden',
    message: 'this concerns every team: it is for tokens that belong to none',
    retryable: false,
  });
}
