import { afterEach, beforeEach, expect, test } from 'vitest';
import { PRESET } from '../support/system.ts';
import { startTestApi, type TestApi } from './support.ts';

let api: TestApi;
beforeEach(async () => {
  api = await startTestApi();
});
afterEach(() => api.close());

async function started(preferredProvider = 'pve-vm') {
  return api.test.producer.start({ preset: PRESET, preferredProvider });
}

async function refreshed(id: string) {
  const response = await fetch(`${api.url}/v1/sandboxes/${id}?refresh=true`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test('a refresh finds what happened at the provider, and the record keeps it', async () => {
  const { id, vmid } = await started();
  expect((await refreshed(id)).body).toMatchObject({ state: 'running' });
  api.test.simulators.pve.operator.kill(vmid ?? 0);
  expect((await refreshed(id)).body).toMatchObject({
    state: 'paused',
    preservesRam: false,
    cause: 'guest_stopped',
  });
  expect(await api.test.producer.get(id)).toMatchObject({ state: 'paused', preservesRam: false });

  api.test.simulators.pve.operator.remove(vmid ?? 0);
  expect((await refreshed(id)).body).toMatchObject({ state: 'lost' });
});

test('a refresh of a paused Morph sandbox does not wake it', async () => {
  const { id } = await started('morph');
  await api.test.producer.pause(id);
  expect((await refreshed(id)).body).toMatchObject({ state: 'paused', preservesRam: true });
  expect(api.test.instances()).toMatchObject([{ status: 'paused' }]);
});

test('a refresh while the provider is away answers with the record as it is', async () => {
  const { id } = await started();
  await api.test.simulators.pve.setDown(true);
  expect(await refreshed(id)).toMatchObject({ status: 200, body: { state: 'running' } });
});

test('a refresh of a sandbox that has ended asks nobody', async () => {
  const { id } = await started();
  await api.test.producer.destroy(id);
  expect(await refreshed(id)).toMatchObject({ status: 200, body: { state: 'destroyed' } });
});

test('a refresh that fails and then sees the sandbox as recorded is no activity: its idleness goes on', async () => {
  const { id } = await started('morph');
  const { store } = api.test.system;
  const known = () => store.redis.hmget(store.keys.activity(id), 'sequence', 'runningSinceMs');
  const before = await known();
  api.test.simulators.morph.faults.add({
    method: 'GET',
    path: '/instance/',
    action: { kind: 'error', status: 403, message: 'Forbidden' },
    times: 1,
  });
  expect((await refreshed(id)).body).toMatchObject({ state: 'running' });
  const operations = await store.redis.xrange(store.keys.events, '-', '+');
  expect(operations.filter(([, fields]) => fields.includes('attempt.failed'))).toHaveLength(1);
  expect(await known()).toEqual(before);
});
