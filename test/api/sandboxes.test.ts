import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  operationListSchema,
  operationSchema,
  providersSchema,
  resumedSandboxSchema,
  sandboxListSchema,
  sandboxSchema,
  whySchema,
} from '../../src/producers/http/schemas.ts';
import { PRESET } from '../support/system.ts';
import { expectError, expectShape, startTestApi, type TestApi } from './support.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

async function start(body: Record<string, unknown> = {}) {
  const answer = await api.call('POST', '/v1/sandboxes?wait=30', { body: { preset: PRESET, ...body } });
  expect(answer.status).toBe(201);
  return answer.body;
}

test('a sandbox is started, paused, resumed and destroyed, each answered with what it is then', async () => {
  const started = await api.call('POST', '/v1/sandboxes?wait=30', {
    body: { preset: PRESET, teamId: 'team-1', metadata: { app: 'cmux' } },
  });
  expect(started.status).toBe(201);
  expectShape(sandboxSchema, started.body);
  expect(started.body).toMatchObject({ state: 'running', provider: 'pve-vm', simulated: true });
  const path = `/v1/sandboxes/${started.body.id}`;
  expect(started.headers.get('location')).toBe(path);

  const paused = await api.call('POST', `${path}/pause?wait=30`);
  expect(paused).toMatchObject({ status: 200, body: { state: 'paused', preservesRam: true } });
  expectShape(sandboxSchema, paused.body);
  const resumed = await api.call('POST', `${path}/resume?wait=30`, { body: { onLostMemory: 'fail' } });
  expect(resumed).toMatchObject({ status: 200, body: { state: 'running', memoryKept: true } });
  expectShape(resumedSandboxSchema, resumed.body);
  const destroyed = await api.call('DELETE', `${path}?wait=30`);
  expect(destroyed).toMatchObject({ status: 200, body: { state: 'destroyed' } });
  expect((await api.call('DELETE', `${path}?wait=30`)).status).toBe(200);
  expectError(await api.call('POST', `${path}/pause?wait=30`), 409, 'wrong_state');
});

test('without a wait the operation is answered, and can be waited for', async () => {
  const accepted = await api.call('POST', '/v1/sandboxes', { body: { preset: PRESET } });
  expect(accepted.status).toBe(202);
  expectShape(operationSchema, accepted.body);
  const path = `/v1/operations/${accepted.body.id}`;
  expect(accepted.headers.get('location')).toBe(path);
  const settled = await api.call('GET', `${path}?wait=30`);
  expect(settled).toMatchObject({ status: 200, body: { state: 'succeeded', requestedBy: 'test-admin' } });
  expectShape(operationSchema, settled.body);
  const list = await api.call('GET', '/v1/operations?state=succeeded,failed&limit=5');
  expectShape(operationListSchema, list.body);
  expect(list.body.operations[0].id).toBe(accepted.body.id);
});

test('a sandbox is found by our id, by its guest id and by the provider’s own id', async () => {
  const { id, guestId, providerId } = await start();
  for (const anyId of [id, guestId, providerId]) {
    expect(await api.call('GET', `/v1/sandboxes/${anyId}`)).toMatchObject({ status: 200, body: { id } });
  }
  expectError(await api.call('GET', '/v1/sandboxes/sbx-none'), 404, 'not_found');
});

test('a listing shows what every filter lets through, page after page', async () => {
  const made = [];
  for (const taskRunId of ['a', 'b', 'c']) {
    made.push(await start({ taskRunId, userId: 'lister', metadata: { app: 'cmux', run: taskRunId } }));
  }
  await api.call('DELETE', `/v1/sandboxes/${made[0].id}?wait=30`);
  const list = async (query: string) => {
    const { status, body } = await api.call('GET', `/v1/sandboxes?userId=lister&${query}`);
    expect(status).toBe(200);
    expectShape(sandboxListSchema, body);
    return body.sandboxes.map(({ taskRunId }: { taskRunId: string }) => taskRunId);
  };
  expect(await list('')).toEqual(['c', 'b']);
  expect(await list('state=destroyed')).toEqual(['a']);
  expect(await list('state=running,destroyed')).toEqual(['c', 'b', 'a']);
  expect(await list('taskRunId=b')).toEqual(['b']);
  expect(await list('provider=proxmox-kvm')).toEqual(['c', 'b']);
  expect(await list('provider=morph')).toEqual([]);
  expect(await list('metadata[run]=b&metadata[app]=cmux')).toEqual(['b']);
  expect(await list('teamId=nobody')).toEqual([]);

  const first = await api.call('GET', '/v1/sandboxes?userId=lister&state=running,destroyed&limit=1');
  const second = await api.call(
    'GET',
    `/v1/sandboxes?userId=lister&state=running,destroyed&limit=2&cursor=${first.body.cursor}`,
  );
  expect(second.body.sandboxes.map(({ taskRunId }: { taskRunId: string }) => taskRunId)).toEqual(['b', 'a']);
});

test('a listing goes on where it was although the sandbox it stopped at has ended meanwhile', async () => {
  const ids: string[] = [];
  for (const taskRunId of ['x', 'y', 'z']) ids.push((await start({ taskRunId, userId: 'pager' })).id);
  const first = await api.call('GET', '/v1/sandboxes?userId=pager&limit=1');
  expect(first.body.sandboxes[0].id).toBe(ids[2]);
  await api.call('DELETE', `/v1/sandboxes/${ids[2]}?wait=30`);
  const rest = await api.call('GET', `/v1/sandboxes?userId=pager&cursor=${first.body.cursor}`);
  expect(rest.body.sandboxes.map(({ id }: { id: string }) => id)).toEqual([ids[1], ids[0]]);
});

test('time to live and protection change at once, and the key of a change answers once', async () => {
  const { id } = await start({ ttlSeconds: 60 });
  const path = `/v1/sandboxes/${id}`;
  const before = Date.now();
  const headers = { 'idempotency-key': `ttl-${id}` };
  const longer = await api.call('POST', `${path}/ttl`, {
    body: { ttlSeconds: 3_600, onExpiry: 'destroy' },
    headers,
  });
  expect(longer).toMatchObject({ status: 200, body: { ttlSeconds: 3_600, onExpiry: 'destroy' } });
  expect(longer.body.expiresAtMs).toBeGreaterThanOrEqual(before + 3_600_000);
  const again = await api.call('POST', `${path}/ttl`, {
    body: { ttlSeconds: 3_600, onExpiry: 'destroy' },
    headers,
  });
  expect(again.body.expiresAtMs).toBe(longer.body.expiresAtMs);
  expectError(
    await api.call('POST', `${path}/ttl`, { body: { ttlSeconds: 1 }, headers }),
    409,
    'idempotency_key_reused',
  );

  const endless = await api.call('POST', `${path}/ttl`, { body: { ttlSeconds: null } });
  expect(endless.body).not.toHaveProperty('ttlSeconds');
  expect(endless.body).not.toHaveProperty('expiresAtMs');
  const shielded = await api.call('POST', `${path}/protection`, { body: { protected: true } });
  expectShape(sandboxSchema, shielded.body);
  expect(shielded.body).toMatchObject({ protected: true, state: 'running' });
  await api.call('DELETE', `${path}?wait=30`);
  expectError(
    await api.call('POST', `${path}/protection`, { body: { protected: false } }),
    409,
    'wrong_state',
  );
});

test('why tells who asked, what was tried and why it went elsewhere', async () => {
  await api.test.simulators.pve.setDown(true);
  const { id } = await start();
  await api.test.simulators.pve.setDown(false);
  const { status, body } = await api.call('GET', `/v1/sandboxes/${id}/why`);
  expect(status).toBe(200);
  expectShape(whySchema, body);
  expect(body.summary).toMatch(
    /is running since .* because start op-.*, asked for by test-admin, succeeded on morph \(attempt 1 on pve-vm failed: .*ECONNREFUSED/,
  );
  expect(body.operations).toMatchObject([{ kind: 'start', state: 'succeeded' }]);
  const types = body.history.map(({ type }: { type: string }) => type);
  expect(types.at(-1)).toMatch(/sandbox.changed|operation.requested/);
  expect(types).toContain('attempt.failed');
  expect(types[0]).toBe('operation.settled');
});

test('the providers are listed with health, age and queue', async () => {
  const { status, body } = await api.call('GET', '/v1/providers');
  expect(status).toBe(200);
  expectShape(providersSchema, body);
  expect(body.providers.map(({ provider }: { provider: string }) => provider).sort()).toEqual(
    expect.arrayContaining(['morph', 'pve-vm']),
  );
});
