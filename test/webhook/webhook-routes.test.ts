import { Hono } from 'hono';
import { beforeEach, expect, test } from 'vitest';
import { isLifecycleError } from '../../src/core/lifecycle-error.ts';
import type { Principal } from '../../src/core/principal.ts';
import type { AccessEnv } from '../../src/producers/access/access-env.ts';
import { createWebhookRoutes, type DeadLetterView } from '../../src/producers/http/webhook-routes.ts';

const letter = { event: { id: 'sbx-1-1' }, reason: 'gone', tries: 1, deadAtMs: 5 } as DeadLetterView;
const asked: number[] = [];
let principal: Principal;
beforeEach(() => {
  principal = { name: 'someone', role: 'operator' };
});

const routes = new Hono<AccessEnv>();
routes.use(async (context, next) => {
  context.set('principal', principal);
  await next();
});
routes.onError((error, context) => context.text(isLifecycleError(error) ? error.code : 'crash', 400));
routes.route(
  '/',
  createWebhookRoutes({
    deadLetters: (limit) => {
      asked.push(limit);
      return Promise.resolve([letter]);
    },
    totals: () => Promise.resolve({ backlog: 3, dead: 1, dropped: 0 }),
  }),
);

test('dead letters are listed with how much else waits', async () => {
  const response = await routes.request('/v1/webhooks/dead?limit=7');
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ letters: [letter], totals: { backlog: 3, dead: 1, dropped: 0 } });
  expect(asked).toEqual([7]);
});

test.each(['limit=0', 'limit=201', 'limit=x', 'offset=1'])('?%s is refused', async (query) => {
  const response = await routes.request(`/v1/webhooks/dead?${query}`);
  expect(response.status).toBe(400);
  expect(await response.text()).toBe('invalid_request');
});

test.each<[string, Principal]>([
  ['a viewer', { name: 'v', role: 'viewer' }],
  ['an admin of one team', { name: 'a', role: 'admin', teamId: 'team-1' }],
])('%s is refused: the letters hold every team’s sandboxes', async (_who, who) => {
  principal = who;
  expect(await (await routes.request('/v1/webhooks/dead')).text()).toBe('forbidden');
});
