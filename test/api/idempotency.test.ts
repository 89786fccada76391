import { afterAll, beforeAll, expect, test } from 'vitest';
import { isLifecycleError } from '../../src/core/lifecycle-error.ts';
import type { Principal } from '../../src/core/principal.ts';
import { PRESET } from '../support/system.ts';
import { expectError, startTestApi, type TestApi } from './support.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const key = (name: string) => ({ 'idempotency-key': name });

test('the same key twice at once is one sandbox, and both callers are answered with it', async () => {
  const before = api.test.vms().length;
  const send = () =>
    api.call('POST', '/v1/sandboxes?wait=30', { body: { preset: PRESET }, headers: key('twice') });
  const answers = await Promise.all([send(), send(), send()]);
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(api.test.vms()).toHaveLength(before + 1);
});

test('the same key with another body is refused, over both transports', async () => {
  const headers = key('reused');
  await api.call('POST', '/v1/sandboxes', { body: { preset: PRESET, taskRunId: '1' }, headers });
  const other = await api.call('POST', '/v1/sandboxes', {
    body: { preset: PRESET, taskRunId: '2' },
    headers,
  });
  expectError(other, 409, 'idempotency_key_reused');
  const error = await api.test.producer
    .start({ preset: PRESET, taskRunId: '2' }, { idempotencyKey: 'reused' })
    .catch((reason: unknown) => reason);
  expect(isLifecycleError(error) && error.code).toBe('idempotency_key_reused');
});

test('a refusal is given again although the request could succeed by now', async () => {
  const { sandboxes } = (await api.call('GET', '/v1/sandboxes?limit=1')).body;
  const { id } =
    sandboxes[0] ?? (await api.call('POST', '/v1/sandboxes?wait=30', { body: { preset: PRESET } })).body;
  await api.call('DELETE', `/v1/sandboxes/${id}?wait=30`);
  const refused = await api.call('POST', `/v1/sandboxes/${id}/pause`, { headers: key('refused') });
  expectError(refused, 409, 'wrong_state');
  const again = await api.call('POST', `/v1/sandboxes/${id}/pause`, { headers: key('refused') });
  expect(again.body).toEqual(refused.body);

  const preset = { body: { preset: 'made-tomorrow' }, headers: key('preset') };
  const unknown = await api.call('POST', '/v1/sandboxes', preset);
  expectError(unknown, 400, 'unknown_preset');
  const { deployment } = api.test.system.store;
  const settings = (await deployment.view())?.settings;
  if (!settings) throw new Error('no settings are published');
  const [known] = settings.presets;
  if (!known) throw new Error('no preset is published');
  await deployment.publishSettings({
    ...settings,
    presets: [...settings.presets, { ...known, name: 'made-tomorrow' }],
  });
  expect((await api.call('POST', '/v1/sandboxes', preset)).body).toEqual(unknown.body);
  expect((await api.call('POST', '/v1/sandboxes', { ...preset, headers: key('preset-2') })).status).toBe(202);
});

test('a success is given again although the request would be refused by now', async () => {
  const { id } = (await api.call('POST', '/v1/sandboxes?wait=30', { body: { preset: PRESET } })).body;
  const pause = () => api.call('POST', `/v1/sandboxes/${id}/pause?wait=30`, { headers: key('paused-once') });
  expect((await pause()).status).toBe(200);
  await api.call('DELETE', `/v1/sandboxes/${id}?wait=30`);
  expect(await pause()).toMatchObject({ status: 200, body: { id, state: 'destroyed' } });
});

test('a failed operation is the answer of its key, and a new key tries anew', async () => {
  const { simulators } = api.test;
  await simulators.pve.setDown(true);
  await simulators.morph.setDown(true);
  const start = (name: string) =>
    api.call('POST', '/v1/sandboxes?wait=30', { body: { preset: PRESET }, headers: key(name) });
  const failed = await start('failed');
  expectError(failed, 503, 'no_provider_available');
  await simulators.pve.setDown(false);
  await simulators.morph.setDown(false);
  expect((await start('failed')).body).toEqual(failed.body);
  expect((await start('failed-2')).status).toBe(201);
});

test('a malformed request uses no key up', async () => {
  const headers = key('malformed');
  expectError(
    await api.call('POST', '/v1/sandboxes', { body: { preset: 1 }, headers }),
    400,
    'invalid_request',
  );
  expect((await api.call('POST', '/v1/sandboxes', { body: { preset: PRESET }, headers })).status).toBe(202);
});

test('keys of different teams never meet', async () => {
  const as = (teamId: string): Principal => ({ name: `of-${teamId}`, role: 'operator', teamId });
  const start = (teamId: string) =>
    api.call('POST', '/v1/sandboxes', { body: { preset: PRESET }, headers: key('common'), as: as(teamId) });
  const [one, two] = [await start('red'), await start('blue')];
  expect([one.status, two.status]).toEqual([202, 202]);
  expect(one.body.id).not.toBe(two.body.id);
  expect((await start('red')).body.id).toBe(one.body.id);
});
