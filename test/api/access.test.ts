import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Principal } from '../../src/core/principal.ts';
import { PRESET } from '../support/system.ts';
import { expectError, startTestApi, type TestApi } from './support.ts';

let api: TestApi;
let ours: string;
let theirs: string;
let theirOperation: string;
const RED: Principal = { name: 'red', role: 'operator', teamId: 'team-red' };
const VIEWER: Principal = { name: 'looker', role: 'viewer' };

beforeAll(async () => {
  api = await startTestApi();
  const start = (teamId: string) =>
    api.call('POST', '/v1/sandboxes?wait=30', { body: { preset: PRESET, teamId } });
  ours = (await start('team-red')).body.id;
  const answer = (await start('team-blue')).body;
  theirs = answer.id;
  theirOperation = answer.cause;
});
afterAll(() => api.close());

const CHANGES: readonly [string, string, unknown][] = [
  ['DELETE', '', undefined],
  ['POST', '/pause', {}],
  ['POST', '/resume', {}],
  ['POST', '/ttl', { ttlSeconds: 60 }],
  ['POST', '/protection', { protected: true }],
];

test.each(CHANGES)(
  '%s /v1/sandboxes/{id}%s of another team is answered as if there were none',
  async (method, path, body) => {
    const call = { as: RED, ...(body === undefined ? {} : { body }) };
    expectError(await api.call(method, `/v1/sandboxes/${theirs}${path}`, call), 404, 'not_found');
    const expecting = `/v1/sandboxes/${theirs}${path}?expectTeamId=team-red`;
    expectError(await api.call(method, expecting, body === undefined ? {} : { body }), 404, 'not_found');
    const guessed = `/v1/sandboxes/${theirs}${path}?expectTeamId=team-blue`;
    expectError(await api.call(method, guessed, call), 404, 'not_found');
    expect((await api.call('GET', `/v1/sandboxes/${theirs}`)).body).toMatchObject({
      state: 'running',
      protected: false,
    });
  },
);

test('a token of one team sees its own and nothing else', async () => {
  for (const path of [
    `/v1/sandboxes/${theirs}`,
    `/v1/sandboxes/${theirs}/why`,
    `/v1/operations/${theirOperation}`,
  ]) {
    expectError(await api.call('GET', path, { as: RED }), 404, 'not_found');
  }
  const { sandboxes } = (await api.call('GET', '/v1/sandboxes', { as: RED })).body;
  expect(sandboxes.map(({ id }: { id: string }) => id)).toEqual([ours]);
  expect((await api.call('GET', '/v1/sandboxes?teamId=team-blue', { as: RED })).body.sandboxes).toEqual([]);
  const { operations } = (await api.call('GET', '/v1/operations', { as: RED })).body;
  expect(operations.map(({ sandboxId }: { sandboxId: string }) => sandboxId)).toEqual([ours]);
});

test('a token of one team starts for that team only', async () => {
  const started = await api.call('POST', '/v1/sandboxes?wait=30', { body: { preset: PRESET }, as: RED });
  expect(started).toMatchObject({ status: 201, body: { teamId: 'team-red' } });
  const foreign = await api.call('POST', '/v1/sandboxes', {
    body: { preset: PRESET, teamId: 'team-blue' },
    as: RED,
  });
  expectError(foreign, 403, 'forbidden');
});

test('a viewer reads and changes nothing', async () => {
  expect((await api.call('GET', `/v1/sandboxes/${ours}`, { as: VIEWER })).status).toBe(200);
  for (const [method, path, body] of CHANGES) {
    const answer = await api.call(method, `/v1/sandboxes/${ours}${path}`, {
      as: VIEWER,
      ...(body === undefined ? {} : { body }),
    });
    expectError(answer, 403, 'forbidden');
  }
  expectError(
    await api.call('POST', '/v1/sandboxes', { body: { preset: PRESET }, as: VIEWER }),
    403,
    'forbidden',
  );
});
