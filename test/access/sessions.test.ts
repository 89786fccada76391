import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AccessApp, form, HOST, refusalOf, startAccessApp } from './access-app.ts';

let app: AccessApp;
beforeEach(async () => {
  app = await startAccessApp();
});
afterEach(() => app.close());

const ORIGIN = `http://${HOST}`;

test('a browser that asks for a page is led to /login and back; a program gets 401', async () => {
  const page = await app.request('/page?x=1', { headers: { accept: 'text/html' } });
  expect(page.status).toBe(303);
  expect(page.headers.get('location')).toBe('/login?to=%2Fpage%3Fx%3D1');
  expect((await app.request('/v1/thing', { headers: { accept: 'text/html' } })).status).toBe(401);
});

test('a pasted token opens a session, in a cookie that neither scripts nor other sites can use', async () => {
  const token = await app.createToken('ann', 'operator');
  const response = await app.request('/login', form({ token: ` ${token} `, to: '/page' }));
  expect(response.status).toBe(303);
  expect(response.headers.get('location')).toBe('/page');
  const cookie = response.headers.get('set-cookie') ?? '';
  expect(cookie).toMatch(/^cmux_lifecycle=[\w-]{43}; /);
  for (const attribute of ['HttpOnly', 'SameSite=Strict', 'Path=/', 'Max-Age=43200']) {
    expect(cookie).toContain(attribute);
  }
  expect(cookie).not.toContain(token);
  const page = await app.request('/page', { cookie: cookie.split(';')[0] ?? '' });
  expect(await page.json()).toEqual({ name: 'ann', role: 'operator' });
});

test('over https the cookie is Secure and bound to the host', async () => {
  await app.close();
  app = await startAccessApp({ publicUrl: 'https://lifecycle.example.com' });
  const token = await app.createToken('ann', 'viewer');
  const response = await app.request('/login', {
    ...form({ token }),
    headers: { origin: 'https://lifecycle.example.com', host: 'inner:8787' },
  });
  expect(response.headers.get('set-cookie')).toMatch(/^__Host-cmux_lifecycle=.*; Secure/);
  expect(response.headers.get('strict-transport-security')).toBe('max-age=15552000');
});

test('a session ends by logging out, and when its token is revoked', async () => {
  await app.createToken('boss', 'admin');
  const token = await app.createToken('ann', 'viewer');
  const [one, two] = [await app.logIn(token), await app.logIn(token)];
  const out = await app.request('/logout', { method: 'POST', cookie: one, headers: { origin: ORIGIN } });
  expect(out.status).toBe(303);
  expect((await app.request('/page', { cookie: one })).status).toBe(401);
  expect((await app.request('/page', { cookie: two })).status).toBe(200);
  await app.access.tokens.revoke('ann');
  expect((await app.request('/page', { cookie: two })).status).toBe(401);
});

test('Redis ends a session after twelve hours', async () => {
  await app.logIn(await app.createToken('ann', 'viewer'));
  const { redis, keys } = app.store;
  const [key = ''] = await redis.keys(`${keys.tag}:access:session:*`);
  expect(await redis.pttl(key)).toBeGreaterThan(11.9 * 3_600_000);
  expect(await redis.pttl(key)).toBeLessThanOrEqual(12 * 3_600_000);
});

test('a login link shows a button, which works once', async () => {
  const code = (await app.access.tokens.createFirst()) ?? '';
  for (let preview = 0; preview < 2; preview += 1) {
    expect(await (await app.request(`/login?code=${code}`)).text()).toContain(code);
  }
  const first = await app.request('/login', form({ code }));
  expect(first.status).toBe(303);
  const cookie = (first.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  expect(await (await app.request('/page', { cookie })).json()).toMatchObject({ role: 'admin' });
  const second = await app.request('/login', form({ code }));
  expect(second.status).toBe(401);
  expect(await second.text()).toContain('has been used or has expired');
});

test.each([
  ['//evil.example/', '/'],
  ['/\\evil.example', '/'],
  ['https://evil.example/', '/'],
  ['/queues?x=1', '/queues?x=1'],
])('after the login the way to %s leads to %s', async (to, location) => {
  const token = await app.createToken('ann', 'viewer');
  expect((await app.request('/login', form({ token, to }))).headers.get('location')).toBe(location);
});

test.each<[string, Record<string, string>, number]>([
  ['our own page', { origin: ORIGIN }, 200],
  [
    'our own page, as browsers say it on https and loopback',
    { 'sec-fetch-site': 'same-origin', origin: ORIGIN },
    200,
  ],
  ['a page of another site', { origin: 'https://evil.example' }, 403],
  ['a page of another site, told by the browser', { 'sec-fetch-site': 'cross-site', origin: ORIGIN }, 403],
  [
    'another port of this machine, which is the same site',
    { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:3000' },
    403,
  ],
  ['another port, told by Origin only', { origin: 'http://127.0.0.1:3000' }, 403],
  ['a sandboxed frame', { origin: 'null' }, 403],
  ['a form posted by another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 403],
  ['something that hides where it comes from', {}, 403],
])('a change with a cookie from %s: %s → %d', async (_case, headers, status) => {
  const cookie = await app.logIn(await app.createToken('ann', 'operator'));
  const response = await app.request('/v1/thing', { method: 'POST', cookie, headers });
  expect(response.status).toBe(status);
  if (status === 403) expect(await refusalOf(response)).toMatchObject({ code: 'cross_site_request' });
});

test('nobody else’s page may log somebody in or out, or read what it embeds', async () => {
  const token = await app.createToken('ann', 'operator');
  const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  expect((await app.request('/login', { ...form({ token }), headers: evil })).status).toBe(403);
  const cookie = await app.logIn(token);
  expect((await app.request('/logout', { method: 'POST', cookie, headers: evil })).status).toBe(403);
  const embed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' };
  expect((await app.request('/page', { cookie, headers: embed })).status).toBe(403);
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
  expect((await app.request('/page', { cookie, headers: link })).status).toBe(200);
});

test('whoever keeps trying from one address is held off, and others behind it with a right token are not', async () => {
  const token = await app.createToken('ann', 'operator');
  const from = (address: string) => ({ 'x-forwarded-for': address, origin: ORIGIN });
  const fail = (address: string) =>
    app.request('/login', { ...form({ token: 'guess' }), headers: from(address) });
  for (let count = 0; count < 10; count += 1) expect((await fail('192.0.2.1')).status).toBe(401);
  for (let count = 0; count < 10; count += 1) {
    const headers = { ...from('192.0.2.1'), authorization: 'Bearer guess' };
    expect((await app.request('/v1/thing', { headers })).status).toBe(401);
  }
  const over = await fail('192.0.2.1');
  expect(over.status).toBe(429);
  expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await fail('192.0.2.2')).status).toBe(401);
  expect((await app.request('/v1/thing', { token, headers: from('192.0.2.1') })).status).toBe(200);
});

test('one IPv6 network counts as one address', async () => {
  const fail = (address: string) =>
    app.request('/v1/thing', { headers: { 'x-forwarded-for': address, authorization: 'Bearer guess' } });
  for (let count = 0; count < 20; count += 1) await fail(`2001:db8:1:2::${count}`);
  expect((await fail('2001:db8:1:2:ffff::1')).status).toBe(429);
  expect((await fail('2001:db8:1:3::1')).status).toBe(401);
});

test('every answer carries a strict content policy; the board’s differs by styles and base only', async () => {
  const token = await app.createToken('ann', 'viewer');
  const page = (await app.request('/page', { token })).headers;
  expect(page.get('content-security-policy')).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
      "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
  expect(page.get('x-frame-options')).toBe('DENY');
  expect(page.get('x-content-type-options')).toBe('nosniff');
  expect(page.get('referrer-policy')).toBe('no-referrer');
  expect(page.get('cache-control')).toBe('no-store');
  const board = (await app.request('/queues', { token })).headers.get('content-security-policy');
  expect(board).toContain("script-src 'self';");
  expect(board).toContain("style-src 'self' 'unsafe-inline'");
  const refused = (await app.request('/v1/thing')).headers;
  expect(refused.get('content-security-policy')).toBe(page.get('content-security-policy'));
});

test('a body beyond the bound is refused', async () => {
  const token = await app.createToken('ann', 'operator');
  const body = 'x'.repeat(1024 * 1024 + 1);
  const headers = { 'content-length': String(body.length) };
  const response = await app.request('/v1/thing', { method: 'POST', token, body, headers });
  expect(await refusalOf(response)).toMatchObject({ status: 413, code: 'body_too_large' });
});
