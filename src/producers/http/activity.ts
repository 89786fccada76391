/** What keeps sandboxes awake: touches, holds, and what a guest says of itself. */
import { z } from 'zod';
import type { ActivityService } from '../activity-service.ts';
import { notFound } from '../lifecycle-service.ts';
import { anyId, heartbeatSchema, holdSchema, text } from '../requests.ts';
import { MOST_AT_ONCE } from '../touch-batch.ts';
import { defineRoute, type Route } from './route.ts';
import { SANDBOX_PATH, sandboxId } from './sandboxes.ts';
import { holdViewSchema, touchResultSchema } from './schemas.ts';

const activityBody = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('touch') }),
  holdSchema.extend({ action: z.literal('hold') }),
  z.strictObject({ action: z.literal('release'), owner: text }),
]);

export function activityRoutes(service: ActivityService): readonly Route[] {
  return [touchRoute(service), activityRoute(service), heartbeatRoute(service)];
}

function touchRoute(service: ActivityService): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/activity',
    name: 'touchSandboxes',
    summary: 'Somebody uses these sandboxes now',
    description: 'Written at most once per sandbox, second and process. Wakes nothing.',
    role: 'operator',
    body: z.strictObject({ sandboxIds: z.array(anyId).min(1).max(MOST_AT_ONCE) }),
    replies: { 200: { description: 'Which are known and have not ended.', schema: touchResultSchema } },
    errors: [],
    async handle({ body, caller, context }) {
      return context.json(await service.touch(body.sandboxIds, caller));
    },
  });
}

function activityRoute(service: ActivityService): Route {
  return defineRoute({
    method: 'POST',
    path: `${SANDBOX_PATH}/activity`,
    name: 'noteActivity',
    summary: 'Touch it, hold it awake, or release a hold',
    description:
      'A hold keeps it from being paused for being idle until it is released or its time is over; asked again by the same owner it is renewed. It lasts at most MAX_HOLD_SECONDS. Wakes nothing.',
    role: 'operator',
    params: sandboxId,
    body: activityBody,
    replies: {
      200: {
        description: 'Noted; with the hold as it was taken.',
        schema: z.object({ hold: holdViewSchema.exactOptional() }),
      },
    },
    errors: ['not_found', 'too_many_holds'],
    async handle({ params: { id }, body, caller, context }) {
      switch (body.action) {
        case 'touch': {
          const { unknown } = await service.touch([id], caller);
          if (unknown.length > 0) throw notFound('sandbox', id);
          return context.json({});
        }
        case 'hold':
          return context.json({ hold: await service.hold(id, body, caller) });
        case 'release':
          await service.release(id, body.owner, caller);
          return context.json({});
      }
    },
  });
}

function heartbeatRoute(service: ActivityService): Route {
  return defineRoute({
    method: 'POST',
    path: `${SANDBOX_PATH}/heartbeat`,
    name: 'heartbeat',
    summary: 'What a guest says of itself',
    description:
      'For guest/heartbeat. Takes the heartbeat token of that very sandbox, which is good for nothing else, or an operator’s token. Load vouches for work, and so do agents that did something since the heartbeat before (`agentWork`) or were not measured; open connections are only kept.',
    role: 'guest',
    params: sandboxId,
    body: heartbeatSchema,
    replies: { 200: { description: 'Noted.', schema: z.object({}) } },
    errors: ['not_found'],
    async handle({ params: { id }, body, caller, context }) {
      await service.heartbeat(id, body, caller);
      return context.json({});
    },
  });
}
