import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PRESET } from '../support/system.ts';
import { expectError, startTestApi, type TestApi } from './support.ts';

let api: TestApi;
let path: string;
beforeAll(async () => {
  api = await startTestApi();
  const { body } = await api.call('POST', '/v1/sandboxes?wait=30', { body: { preset: PRESET } });
  path = `/v1/sandboxes/${body.id}`;
});
afterAll(async () => {
  // Nothing that was refused here changed anything or was logged as a crash.
  expect((await api.call('GET', path)).body).toMatchObject({ state: 'running', protected: false });
  expect(api.crashes).toEqual([]);
  await api.close();
});

const LONG = 'x'.repeat(201);

const BAD_STARTS: readonly [field: string, value: unknown][] = [
  ...(['preset', 'teamId', 'userId', 'taskRunId'] as const).flatMap((field): [string, unknown][] => [
    [field, ''],
    [field, LONG],
    [field, 7],
    [field, null],
  ]),
  ['workloadType', 'huge'],
  ['workloadType', 1],
  ['preferredProvider', 'aws'],
  ['preferredProvider', LONG],
  ['preferredProvider', false],
  ...(['requiresRamSnapshot', 'allowFallback', 'protected'] as const).flatMap(
    (field): [string, unknown][] => [
      [field, 'yes'],
      [field, null],
    ],
  ),
  ...(['ttlSeconds', 'idleTimeoutSeconds'] as const).flatMap((field): [string, unknown][] => [
    [field, 0],
    [field, -1],
    [field, 1.5],
    [field, '60'],
    [field, 365 * 24 * 3600 + 1],
    [field, null],
  ]),
  ['onExpiry', 'explode'],
  ['metadata', 'none'],
  ['metadata', { a: 1 }],
  ['metadata', { [LONG]: 'v' }],
  ['metadata', { a: 'v'.repeat(2_001) }],
  ['metadata', Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`k${at}`, 'v']))],
  ['sources', { morph: { snapshotId: '' } }],
  ['sources', { 'pve-vm': { templates: [] } }],
  ['sources', { 'pve-vm': { templates: [{ vmid: 99, expectedName: 'x' }] } }],
  ['sources', { 'pve-vm': { templates: [{ vmid: 9000 }] } }],
  ['sources', { aws: { ami: 'x' } }],
  ['unknownField', 1],
];

test.each(BAD_STARTS)('a start with a wrong %s (%j) is refused, naming it', async (field, value) => {
  const answer = await api.call('POST', '/v1/sandboxes', { body: { preset: PRESET, [field]: value } });
  expectError(answer, 400, 'invalid_request');
  expect(answer.body.message).toContain(field);
});

test('all problems are told at once, those of path, query, header and body together', async () => {
  const answer = await api.call(
    'POST',
    `/v1/sandboxes/${encodeURIComponent('no id!')}/pause?wait=x&extra=1`,
    {
      body: { requiresRamSnapshot: 'maybe', other: 1 },
      headers: { 'idempotency-key': 'k'.repeat(201) },
    },
  );
  expectError(answer, 400, 'invalid_request');
  for (const part of ['id', 'wait', 'extra', 'requiresRamSnapshot', 'other', 'Idempotency-Key']) {
    expect(answer.body.message).toContain(part);
  }
});

test.each([
  [{}, 'preset'],
  [{ preset: PRESET, sources: { morph: { snapshotId: 's' } } }, 'preset'],
])('a start with neither or both of preset and sources (%j) is refused', async (body, field) => {
  const answer = await api.call('POST', '/v1/sandboxes', { body });
  expectError(answer, 400, 'invalid_request');
  expect(answer.body.message).toContain(field);
});

test('a combination that can never be is told from bad input', async () => {
  const illegal = { preset: PRESET, requiresRamSnapshot: true, preferredProvider: 'pve-lxc' };
  expectError(await api.call('POST', '/v1/sandboxes', { body: illegal }), 422, 'illegal_combination');
  const sources = { 'pve-lxc': { templates: [{ vmid: 9000, expectedName: 't' }] } };
  expectError(
    await api.call('POST', '/v1/sandboxes', { body: { sources, requiresRamSnapshot: true } }),
    422,
    'illegal_combination',
  );
  // Filtered out, and nowhere else allowed: legal, but nobody can take it.
  const filtered = {
    sources: { morph: { snapshotId: 's' } },
    preferredProvider: 'pve-vm',
    allowFallback: false,
  };
  expectError(await api.call('POST', '/v1/sandboxes', { body: filtered }), 503, 'no_provider_available');
});

const BAD_QUERIES: readonly [string, string][] = [
  ['wait', '?wait=91'],
  ['wait', '?wait=-1'],
  ['wait', '?wait='],
  ['wait', '?wait=1e1'],
  ['wait', '?wait=1&wait=2'],
  ['surprise', '?surprise=1'],
];

test.each(BAD_QUERIES)(
  'a wrong query parameter %s (%s) is refused on every route that waits',
  async (name, query) => {
    const routes = [
      ['POST', '/v1/sandboxes', { preset: PRESET }],
      ['POST', `${path}/pause`, {}],
      ['POST', `${path}/resume`, {}],
      ['DELETE', path, undefined],
      ['GET', '/v1/operations/op-1', undefined],
    ] as const;
    for (const [method, route, body] of routes) {
      const answer = await api.call(method, route + query, body === undefined ? {} : { body });
      expectError(answer, 400, 'invalid_request');
      expect(answer.body.message).toContain(name);
    }
  },
);

test.each([
  '?state=flying',
  '?state=',
  '?state=running,flying',
  '?limit=0',
  '?limit=201',
  '?limit=ten',
  '?cursor=nonsense',
  `?teamId=${LONG}`,
  '?teamId=',
  '?provider=aws',
  '?metadata=x',
  '?unknown=1',
  '?metadata[a]=1&metadata[a]=2',
])('a listing with %s is refused', async (query) => {
  expectError(await api.call('GET', `/v1/sandboxes${query}`), 400, 'invalid_request');
});

test.each(['?state=running', '?limit=0', '?cursor=x', '?teamId=a'])(
  'a listing of operations with %s is refused',
  async (query) => {
    expectError(await api.call('GET', `/v1/operations${query}`), 400, 'invalid_request');
  },
);

const BAD_CHANGES: readonly [string, unknown, string][] = [
  ['/pause', { requiresRamSnapshot: 'no' }, 'requiresRamSnapshot'],
  ['/pause', { other: 1 }, 'other'],
  ['/pause', [], 'request'],
  ['/resume', { onLostMemory: 'shrug' }, 'onLostMemory'],
  ['/resume', { other: 1 }, 'other'],
  ['/ttl', {}, 'ttlSeconds'],
  ['/ttl', { ttlSeconds: 0 }, 'ttlSeconds'],
  ['/ttl', { ttlSeconds: 60, onExpiry: 'x' }, 'onExpiry'],
  ['/ttl', { ttlSeconds: 60, other: 1 }, 'other'],
  ['/protection', {}, 'protected'],
  ['/protection', { protected: 'true' }, 'protected'],
  ['/protection', { protected: true, other: 1 }, 'other'],
];

test.each(BAD_CHANGES)('POST %s with %j is refused, naming %s', async (route, body, field) => {
  const answer = await api.call('POST', path + route, { body });
  expectError(answer, 400, 'invalid_request');
  expect(answer.body.message).toContain(field);
});

describe('bodies that are none', () => {
  test('malformed JSON, no body, and a body where none belongs are bad input', async () => {
    expectError(await api.call('POST', '/v1/sandboxes', { raw: '{"preset":' }), 400, 'invalid_request');
    expectError(await api.call('POST', '/v1/sandboxes'), 400, 'invalid_request');
    expectError(await api.call('POST', '/v1/sandboxes', { raw: 'null' }), 400, 'invalid_request');
    expectError(await api.call('DELETE', path, { body: {} }), 400, 'invalid_request');
  });

  test('another content type is refused as such', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await api.call('POST', '/v1/sandboxes', { raw: 'preset=x', headers });
    expectError(answer, 415, 'unsupported_media_type');
  });

  test('an oversized body is refused, announced or not', async () => {
    const huge = JSON.stringify({ preset: PRESET, metadata: { a: 'x'.repeat(300_000) } });
    expectError(await api.call('POST', '/v1/sandboxes', { raw: huge }), 413, 'body_too_large');
    const reply = await fetch(`${api.url}/v1/sandboxes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([huge]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(reply.status).toBe(413);
    expect(await reply.json()).toMatchObject({ code: 'body_too_large', retryable: false });
  });
});

test('a wrong method is told which are right, and an unknown route is JSON too', async () => {
  for (const [method, route, allow] of [
    ['PUT', '/v1/sandboxes', 'POST, GET'],
    ['PATCH', path, 'GET, DELETE'],
    ['GET', `${path}/pause`, 'POST'],
    ['OPTIONS', '/v1/providers', 'GET'],
    ['DELETE', '/v1/operations', 'GET'],
  ] as const) {
    const answer = await api.call(method, route);
    expectError(answer, 405, 'method_not_allowed');
    expect(answer.headers.get('allow')).toBe(allow);
  }
  for (const route of ['/v1', '/v1/', '/v1/nothing', `${path}/stop`, '/v1/sandboxes/', '/v2/sandboxes']) {
    const answer = await fetch(api.url + route);
    expect([route, answer.status]).toEqual([route, 404]);
  }
  expectError(await api.call('GET', '/v1/nothing'), 404, 'not_found');
});

test('bytes that are no HTTP do not bring the server down', async () => {
  const { port } = new URL(api.url);
  await new Promise<void>((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.end('\u0000\u0001nonsense\r\n\r\n'));
    socket
      .on('close', () => resolve())
      .on('error', () => undefined)
      .resume();
  });
  expect((await api.call('GET', '/v1/sandboxes')).status).toBe(200);
});
