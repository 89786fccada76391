import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Principal } from '../../src/core/principal.ts';
import { startTestApi, type TestApi } from '../api/support.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const ask = (query: string, principal: Principal = { name: 'someone', role: 'operator' }) =>
  fetch(`${api.url}/v1/webhooks/dead${query}`, {
    headers: { 'x-test-principal': JSON.stringify(principal) },
  });

test('dead letters are listed with how much else waits', async () => {
  const response = await ask('?limit=7');
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ letters: [], totals: { backlog: 0, dead: 0, dropped: 0 } });
});

test.each(['limit=0', 'limit=201', 'limit=x', 'offset=1'])('?%s is refused', async (query) => {
  const response = await ask(`?${query}`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'invalid_request' });
});

test.each<[string, Principal]>([
  ['a viewer', { name: 'v', role: 'viewer' }],
  ['an admin of one team', { name: 'a', role: 'admin', teamId: 'team-1' }],
])('%s is refused: the letters hold every team’s sandboxes', async (_who, who) => {
  const response = await ask('', who);
  expect(response.status).toBe(403);
  expect(await response.json()).toMatchObject({ code: 'forbidden' });
});
