/** Local mode on loopback: no token, no login, and yet no page of somebody else. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AccessApp, refusalOf, startAccessApp } from './access-app.ts';

let app: AccessApp;
beforeEach(async () => {
  app = await startAccessApp({ openWithoutTokens: true });
});
afterEach(() => app.close());

test.each(['127.0.0.1:8787', 'localhost:8787', 'LOCALHOST', '[::1]:8787', '127.0.0.2'])(
  'whoever comes by %s is admin',
  async (host) => {
    const response = await app.request('/v1/thing', { headers: { host } });
    expect(await response.json()).toEqual({ name: 'local', role: 'admin' });
  },
);

test.each([
  'evil.example:8787',
  'evil.example',
  '127.0.0.1.evil.example',
  'localhost.evil.example:8787',
  '127.0.0.1@evil.example',
  '192.168.1.5:8787',
  '',
])('a name that was made to lead to this machine is refused: %s', async (host) => {
  for (const method of ['GET', 'POST']) {
    const headers = { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' };
    const response = await app.request('/v1/thing', { method, headers });
    expect(await refusalOf(response)).toMatchObject({ status: 421, code: 'host_not_allowed' });
  }
});

test('a page of another site can neither change anything nor read what it embeds', async () => {
  const post = { origin: 'https://evil.example', 'content-type': 'text/plain' };
  const response = await app.request('/v1/thing', { method: 'POST', headers: post, body: '{}' });
  expect(await refusalOf(response)).toMatchObject({ status: 403, code: 'cross_site_request' });
  const embed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' };
  expect((await app.request('/v1/thing', { headers: embed })).status).toBe(403);
});

test('programs of this machine need no more than the address', async () => {
  expect((await app.request('/v1/thing', { method: 'POST' })).status).toBe(200);
  const { entries } = await app.store.audit.read({ limit: 5 });
  expect(entries).toMatchObject([{ who: 'local', role: 'admin', what: 'POST /v1/thing', status: 200 }]);
});

test('the first token closes it, at once', async () => {
  const token = await app.createToken('boss', 'admin');
  expect((await app.request('/v1/thing')).status).toBe(401);
  expect((await app.request('/v1/thing', { token })).status).toBe(200);
});

test('a wrong token is refused although none would have been needed', async () => {
  expect((await app.request('/v1/thing', { token: 'wrong' })).status).toBe(401);
});
