import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AccessApp, refusalOf, startAccessApp } from './access-app.ts';

let app: AccessApp;
beforeEach(async () => {
  app = await startAccessApp();
});
afterEach(() => app.close());

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});

test('a token opens the door with its name, role and team, and nothing else does', async () => {
  const token = await app.createToken('ci', 'operator', 'team-1');
  const known = await app.request('/v1/thing', { token });
  expect(await known.json()).toEqual({ name: 'ci', role: 'operator', teamId: 'team-1' });

  for (const headers of [
    {},
    { authorization: 'Bearer nope' },
    { authorization: token },
    { authorization: '' },
  ]) {
    const response = await app.request('/v1/thing', { headers });
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await refusalOf(response)).toMatchObject({ status: 401, code: 'unauthorized' });
  }
});

test('only digests of tokens are in Redis', async () => {
  const token = await app.createToken('ci', 'viewer');
  const { redis, keys } = app.store;
  const stored = JSON.stringify([
    await redis.hgetall(keys.access.tokens),
    await redis.hgetall(keys.access.names),
  ]);
  expect(stored).toContain('"ci"');
  expect(stored).not.toContain(token);
  expect(stored).not.toContain(token.slice(4));
});

test.each([
  ['viewer', 200, 403, 403],
  ['operator', 200, 200, 403],
  ['admin', 200, 200, 200],
] as const)('a %s may read (%d), change (%d) and hand out access (%d)', async (role, read, change, admin) => {
  const token = await app.createToken('somebody', role);
  expect((await app.request('/v1/thing', { token })).status).toBe(read);
  expect((await app.request('/v1/thing', { token, method: 'POST' })).status).toBe(change);
  for (const path of ['/v1/tokens', '/v1/audit']) {
    expect((await app.request(path, { token })).status).toBe(admin);
  }
});

test('an admin creates, lists and revokes tokens; the secret is told once', async () => {
  const token = await app.createToken('boss', 'admin');
  const created = await app.request('/v1/tokens', { token, ...json({ name: 'ci', role: 'viewer' }) });
  expect(created.status).toBe(201);
  const { secret } = (await created.json()) as { secret: string };
  expect(secret).toMatch(/^cml_[\w-]{43}$/);
  expect((await app.request('/v1/thing', { token: secret })).status).toBe(200);

  const list = await (await app.request('/v1/tokens', { token })).text();
  expect(JSON.parse(list)).toMatchObject({
    tokens: [
      { name: 'boss', role: 'admin', createdBy: 'cli' },
      { name: 'ci', role: 'viewer', createdBy: 'boss' },
    ],
  });
  expect(list).not.toContain(secret);

  expect((await app.request('/v1/tokens/ci', { token, method: 'DELETE' })).status).toBe(204);
  expect((await app.request('/v1/thing', { token: secret })).status).toBe(401);
  expect((await app.request('/v1/tokens/ci', { token, method: 'DELETE' })).status).toBe(404);
});

test.each([
  ['a name that is taken', { name: 'boss', role: 'viewer' }, 409],
  ['a name of the audit log', { name: 'local', role: 'viewer' }, 400],
  ['no such role', { name: 'x', role: 'root' }, 400],
  ['an admin of one team', { name: 'x', role: 'admin', teamId: 'team-1' }, 400],
  ['an unknown field', { name: 'x', role: 'viewer', secret: 'mine' }, 400],
  ['no body', undefined, 400],
])('refused: %s', async (_case, body, status) => {
  const token = await app.createToken('boss', 'admin');
  const response = await app.request('/v1/tokens', { token, ...json(body) });
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ code: expect.any(String), retryable: false });
});

test('the last admin token stays, so that nobody locks everybody out', async () => {
  const token = await app.createToken('boss', 'admin');
  const response = await app.request('/v1/tokens/boss', { token, method: 'DELETE' });
  expect(await refusalOf(response)).toMatchObject({ status: 409, code: 'wrong_state' });
  await app.createToken('deputy', 'admin');
  expect((await app.request('/v1/tokens/boss', { token, method: 'DELETE' })).status).toBe(204);
});

test('every change is written down with who, what, from where and how it ended', async () => {
  const boss = await app.createToken('boss', 'admin');
  const viewer = await app.createToken('eve', 'viewer');
  const from = { 'x-forwarded-for': '10.9.9.9, 192.0.2.7' };
  await app.request('/v1/thing?secret=hush', { token: boss, method: 'POST', headers: from });
  await app.request('/v1/thing', { token: viewer, method: 'POST' });
  await app.request('/v1/thing', { token: boss });

  const page = await (await app.request('/v1/audit', { token: boss })).text();
  expect((JSON.parse(page) as { entries: unknown[] }).entries).toMatchObject([
    { who: 'eve', role: 'viewer', what: 'POST /v1/thing', status: 403 },
    { who: 'boss', role: 'admin', what: 'POST /v1/thing', from: '192.0.2.7', status: 200 },
  ]);
  expect(page).not.toContain('hush');
});

test('the audit log is read in pages, newest first', async () => {
  const token = await app.createToken('boss', 'admin');
  for (let count = 0; count < 3; count += 1) await app.request('/v1/thing', { token, method: 'POST' });
  const first = (await (await app.request('/v1/audit?limit=2', { token })).json()) as {
    entries: { id: string }[];
    cursor: string;
  };
  expect(first.entries).toHaveLength(2);
  const next = await app.request(`/v1/audit?limit=2&cursor=${first.cursor}`, { token });
  const rest = (await next.json()) as { entries: { id: string }[]; cursor?: string };
  expect(rest.entries).toHaveLength(1);
  expect(rest).not.toHaveProperty('cursor');
});

test('the first start makes one admin token with one login link, once in the life of the deployment', async () => {
  const [one, two] = await Promise.all([app.access.tokens.createFirst(), app.access.tokens.createFirst()]);
  expect([one, two].filter((code) => code !== undefined)).toHaveLength(1);
  expect(await app.access.tokens.list()).toMatchObject([{ name: 'first-admin', role: 'admin' }]);
  await app.store.access.revokeToken('first-admin');
  expect(await app.access.tokens.createFirst()).toBeUndefined();
});

test('a deployment that has tokens already gets no first one', async () => {
  await app.createToken('ci', 'viewer');
  expect(await app.access.tokens.createFirst()).toBeUndefined();
});

test('a token in a runaway loop is told to come back later; others go on', async () => {
  await app.close();
  app = await startAccessApp({ requestsPerMinute: 3 });
  const token = await app.createToken('loop', 'viewer');
  const other = await app.createToken('calm', 'viewer');
  for (let count = 0; count < 3; count += 1) {
    expect((await app.request('/v1/thing', { token })).status).toBe(200);
  }
  const response = await app.request('/v1/thing', { token });
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await refusalOf(response)).toMatchObject({ status: 429, code: 'too_many_requests' });
  expect((await app.request('/v1/thing', { token: other })).status).toBe(200);
});

test('no secret reaches the logs', async () => {
  const token = await app.createToken('boss', 'admin');
  const cookie = await app.logIn(token);
  await app.request('/v1/thing', { token, method: 'POST' });
  await app.request('/v1/thing', { headers: { authorization: 'Bearer wrong-secret' } });
  // Even when something goes wrong while it writes down what a secret was used for.
  await app.store.redis.set(app.store.keys.audit, 'not a stream');
  await app.request('/v1/thing', { token, method: 'POST' });
  await app.request('/logout', { method: 'POST', cookie, headers: { origin: 'http://127.0.0.1:8787' } });
  expect(app.logged()).toContain('audit log');
  for (const secret of [token, token.slice(4), cookie.split('=')[1] ?? cookie, 'wrong-secret']) {
    expect(app.logged()).not.toContain(secret);
  }
});
