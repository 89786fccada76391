/** The sweeps: what they last did and when they come next; run, try out, pause and resume each. */
import { z } from 'zod';
import { LifecycleError } from '../../core/lifecycle-error.ts';
import { SWEEP_ACTIONS } from '../../core/sweep.ts';
import type { SweepControl } from '../../queues/sweep-queues.ts';
import type { Caller } from '../lifecycle-service.ts';
import { text } from '../requests.ts';
import { defineRoute, type Route } from './route.ts';
import { sweepSchema, sweepsSchema } from './sweep-schemas.ts';

export type SweepsApi = Pick<SweepControl, 'list' | 'run' | 'pause' | 'resume'>;

export function sweepRoutes(sweeps: SweepsApi): readonly Route[] {
  return [listSweeps(sweeps), steerSweep(sweeps)];
}

function listSweeps(sweeps: SweepsApi): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/sweeps',
    name: 'listSweeps',
    summary: 'Every sweep: schedule, next run, last runs with their counts, whether it is paused',
    role: 'viewer',
    replies: { 200: { description: 'By name.', schema: sweepsSchema } },
    errors: ['forbidden'],
    async handle({ caller, context }) {
      onlyForAllTeams(caller);
      return context.json({ sweeps: await sweeps.list() });
    },
  });
}

function steerSweep(sweeps: SweepsApi): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/sweeps/{name}',
    name: 'steerSweep',
    summary: 'Run a sweep now, run it dry, pause it or let it go on',
    description:
      'A dry run decides and counts, and changes nothing. A run that was asked for is carried out even while the sweep is paused, after the run that is under way; its counts appear among the runs of GET /v1/sweeps under the runId. A pause lasts until it is ended.',
    role: 'operator',
    params: z.strictObject({ name: text }),
    body: z.strictObject({ action: z.enum(SWEEP_ACTIONS) }),
    replies: {
      200: { description: 'Paused, or going on.', schema: sweepSchema },
      202: { description: 'The run is in the queue.', schema: z.object({ runId: z.string() }) },
    },
    errors: ['forbidden', 'not_found', 'wrong_state'],
    async handle({ params: { name }, body: { action }, caller, context }) {
      onlyForAllTeams(caller);
      switch (action) {
        case 'run':
        case 'dry-run':
          return context.json(await sweeps.run(name, { by: caller.name, dryRun: action === 'dry-run' }), 202);
        case 'pause':
          await sweeps.pause(name, caller.name);
          break;
        case 'resume':
          await sweeps.resume(name);
          break;
      }
      const steered = (await sweeps.list()).find((sweep) => sweep.name === name);
      return context.json(steered);
    },
  });
}

function onlyForAllTeams({ teamId }: Caller): void {
  if (teamId === undefined) return;
  throw new LifecycleError({
    code: 'forbidden',
    message: 'sweeps work for every team: they are for tokens that belong to none',
    retryable: false,
  });
}
