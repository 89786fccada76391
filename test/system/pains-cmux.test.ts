/** Troubles of cmux's history above the providers that must not come back. */
import { afterEach, expect, test } from 'vitest';
import type { Principal } from '../../src/core/principal.ts';
import type { HttpClient, HttpRequest } from '../../src/providers/http-client.ts';
import { createMorphProvider } from '../../src/providers/morph/morph.ts';
import { createMorphHttpClient } from '../../src/providers/morph/morph-api.ts';
import { expectError, startTestApi, type TestApi } from '../api/support.ts';
import { API_KEY, specFor, startMorphRig, testCall } from '../providers/rig.ts';
import { PRESET, readCounter, startTestSystem, type TestSystem } from '../support/system.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(options?: Parameters<typeof startTestSystem>[0]): Promise<TestSystem> {
  const test = await startTestSystem(options);
  closers.push(test.close);
  return test;
}

async function startApi(options?: Parameters<typeof startTestApi>[0]): Promise<TestApi> {
  const api = await startTestApi(options);
  closers.push(api.close);
  return api;
}

/** Longer than the waits below, as a real clone is longer than a tunnel's patience. */
const SLOW_CLONE = { pve: { cloneMs: 800, startMs: 40, destroyMs: 10, stopMs: 10, servicesMs: 20 } };

test('pain 15, tunnels that cut at 100 s: a wait over HTTP is bounded, and the same key goes on waiting', async () => {
  const api = await startApi({ latency: SLOW_CLONE });
  for (const wait of ['91', '100', '600']) {
    const refused = await api.call('POST', `/v1/sandboxes?wait=${wait}`, { body: { preset: PRESET } });
    expectError(refused, 400, 'invalid_request');
  }
  const headers = { 'idempotency-key': 'task-15' };
  const startAgain = (waitS: number) =>
    api.call('POST', `/v1/sandboxes?wait=${waitS}`, { body: { preset: PRESET }, headers });
  const begunMs = performance.now();
  const first = await startAgain(0.2);
  expect(performance.now() - begunMs).toBeLessThan(SLOW_CLONE.pve.cloneMs);
  expect(first).toMatchObject({ status: 202, body: { kind: 'start', state: expect.any(String) } });
  expect(first.headers.get('location')).toBe(`/v1/operations/${first.body.id}`);

  const second = await startAgain(30);
  expect(second).toMatchObject({ status: 201, body: { id: first.body.sandboxId, state: 'running' } });
  expect(api.test.vms()).toHaveLength(1);
});

test('pain 15, tunnels that cut at 100 s: a wait over Redis is bounded, and the same key goes on waiting', async () => {
  const { producer, vms } = await start({ latency: SLOW_CLONE });
  const startAgain = (timeoutMs: number) =>
    producer.start({ preset: PRESET }, { idempotencyKey: 'task-15', timeoutMs });
  const cut = await startAgain(100).catch((error) => error);
  expect(cut).toMatchObject({ code: 'wait_timed_out', operationId: expect.any(String) });
  const sandbox = await startAgain(20_000);
  expect(sandbox).toMatchObject({ id: cut.sandboxId, state: 'running', cause: cut.operationId });
  expect(vms()).toHaveLength(1);
});

test('pain 17, a background error is not lost: a start that fails after 202 ends, and says why', async () => {
  const api = await startApi();
  await api.test.simulators.pve.setDown(true);
  await api.test.simulators.morph.setDown(true);
  const accepted = await api.call('POST', '/v1/sandboxes', { body: { preset: PRESET } });
  expect(accepted.status).toBe(202);
  const settled = await api.call('GET', `/v1/operations/${accepted.body.id}?wait=20`);
  expect(settled.body).toMatchObject({
    state: 'failed',
    settledAtMs: expect.any(Number),
    failure: {
      code: 'no_provider_available',
      message: expect.stringMatching(/pve-vm: .*ECONNREFUSED.*morph: .*ECONNREFUSED/),
      retryable: true,
    },
  });
  const why = await api.call('GET', `/v1/sandboxes/${accepted.body.sandboxId}/why`);
  expect(why.body).toMatchObject({ sandbox: { state: 'failed' }, operations: [{ id: accepted.body.id }] });
});

test('pain 17, a background error is not lost: not even one that nobody foresaw', async () => {
  const { producer, vms, instances } = await start({
    timing: { startDeadlineMs: 5_000 },
    onStep: (name) => {
      if (name === 'create') throw new TypeError("Cannot read properties of undefined (reading 'id')");
    },
  });
  const error = await producer.start({ preset: PRESET }).catch((reason) => reason);
  const { state, attempts } = await producer.operation(error.operationId);
  expect(state).toBe('failed');
  expect(attempts.map(({ outcome }) => outcome)).not.toContain('open');
  expect(attempts.every(({ failure }) => failure !== undefined)).toBe(true);
  expect([...vms(), ...instances()]).toEqual([]);
});

test('pain 18, archive: many pauses at once all settle, and each sandbox comes back where it is, memory kept', async () => {
  const { producer, simulators, vms, instances } = await start();
  const begun = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      producer.start({ preset: PRESET, preferredProvider: index % 2 === 0 ? 'pve-vm' : 'morph' }),
    ),
  );
  const counters = await Promise.all(begun.map(({ endpoints }) => readCounter(endpoints.worker)));
  // A busy hour: now and then either provider answers that it cannot, just now.
  const hiccup = { action: { kind: 'error', status: 503, message: 'busy' }, times: 3 } as const;
  simulators.pve.faults.add({ ...hiccup, path: '/status/suspend$' });
  simulators.morph.faults.add({ ...hiccup, path: '/pause$' });

  const paused = await Promise.allSettled(begun.map(({ id }) => producer.pause(id)));
  expect(paused.map(({ status }) => status)).toEqual(Array(12).fill('fulfilled'));
  expect(vms().map(({ status, lock }) => `${status} ${lock}`)).toEqual(Array(6).fill('stopped suspended'));
  expect(instances().map(({ status }) => status)).toEqual(Array(6).fill('paused'));

  const resumed = await Promise.all(begun.map(({ id }) => producer.resume(id)));
  expect(
    resumed.map(({ provider, providerId, memoryKept }) => ({ provider, providerId, memoryKept })),
  ).toEqual(begun.map(({ provider, providerId }) => ({ provider, providerId, memoryKept: true })));
  for (const [index, { endpoints }] of resumed.entries()) {
    expect(await readCounter(endpoints.worker)).toBeGreaterThanOrEqual(counters[index] ?? Infinity);
  }
});

const RED: Principal = { name: 'red', role: 'operator', teamId: 'team-red' };
/** Bodies of the routes that need one; a route that is new is asked with an empty one. */
const BODIES: Readonly<Record<string, unknown>> = {
  '/v1/sandboxes/{id}/ttl': { ttlSeconds: 60 },
  '/v1/sandboxes/{id}/activity': { action: 'touch' },
  '/v1/sandboxes/{id}/protection': { protected: true },
  '/v1/sandboxes/{id}/heartbeat': { agentProcesses: 0, loadPerCpu: 0, openConnections: 0 },
};

test('pain 20, ownership: whatever can be asked of a sandbox, by any of its ids, is 404 for another team', async () => {
  const api = await startApi();
  const theirs = (
    await api.call('POST', '/v1/sandboxes?wait=30', { body: { preset: PRESET, teamId: 'team-blue' } })
  ).body;
  const { paths } = (await api.call('GET', '/openapi.json')).body as {
    paths: Record<string, Record<string, unknown>>;
  };
  const routes = Object.entries(paths)
    .filter(([path]) => path.startsWith('/v1/sandboxes/{id}'))
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => ({ path, method })));
  expect(routes.filter(({ method }) => method !== 'get').length).toBeGreaterThanOrEqual(5);
  for (const { path, method } of routes) {
    for (const id of [theirs.id, theirs.guestId, theirs.providerId]) {
      const body = method === 'post' ? { body: BODIES[path] ?? {} } : {};
      const answer = await api.call(method.toUpperCase(), path.replace('{id}', id), { as: RED, ...body });
      expectError(answer, 404, 'not_found');
    }
  }
  const { body: after } = await api.call('GET', `/v1/sandboxes/${theirs.id}`);
  expect(after).toEqual(theirs);
  expect(api.test.vms()).toMatchObject([{ status: 'running', bootCount: 1 }]);
});

/** What Morph's API takes, of what is sent here (facts A2): query and body, name by name. */
const MORPH_CONTRACT = [
  {
    method: 'POST',
    path: /^\/instance$/,
    query: ['snapshot_id'],
    body: ['metadata', 'ttl_seconds', 'ttl_action'],
  },
  { method: 'POST', path: /^\/instance\/[^/]+\/(pause|resume)$/, query: [], body: [] },
  { method: 'POST', path: /^\/instance\/[^/]+\/wake-on$/, query: [], body: ['wake_on_http', 'wake_on_ssh'] },
  { method: 'DELETE', path: /^\/instance\/[^/]+$/, query: [], body: [] },
  { method: 'GET', path: /^\/instance$/, query: ['metadata'], body: [] },
  { method: 'GET', path: /^\/instance\/list$/, query: ['page', 'limit'], body: [] },
  { method: 'GET', path: /^\/instance\/[^/]+$/, query: [], body: [] },
] as const;

test('pain 26, Morph client slips: requests have the documented fields and no other, URLs come from http_services', async () => {
  const rig = await startMorphRig();
  const http = createMorphHttpClient({ apiKey: API_KEY, baseUrl: rig.morph.url, maxConnections: 4 });
  closers.push(rig.close, http.close);
  const requests: HttpRequest[] = [];
  const provider = createMorphProvider(
    { http: withDecoyUrl(http, requests) },
    { failureDomain: 'morph:test', simulated: true, wakeOn: { http: true, ssh: true } },
  );
  const spec = specFor(provider);
  const call = testCall();
  const intent = await provider.prepare({ ...spec, marker: { ...spec.marker, ttlSeconds: 3_600 } }, call);
  const started = await provider.bringUp(intent, await provider.create(intent, call), call);
  await provider.probe(call);
  await provider.list(call);
  await provider.look(intent, call);
  await provider.inspect(started.ref, call);
  await provider.pause(started.ref, call);
  const { facts } = await provider.resume(started.ref, { allowColdBoot: false }, call);
  await provider.destroy(started.ref, call);

  for (const { method, path, query = {}, json = {} } of requests) {
    const rule = MORPH_CONTRACT.find((each) => each.method === method && each.path.test(path));
    expect(rule, `${method} ${path} is not in the contract`).toBeDefined();
    const filters = Object.keys(query).map((name) => name.replace(/\[.*\]$/, ''));
    expect(rule?.query, `${method} ${path}`).toEqual(expect.arrayContaining(filters));
    expect(rule?.body, `${method} ${path}`).toEqual(expect.arrayContaining(Object.keys(json as object)));
  }
  expect(requests.find(({ method, path }) => method === 'POST' && path === '/instance')?.query).toEqual({
    snapshot_id: intent.source,
  });
  for (const { endpoints } of [started, facts]) {
    expect(endpoints.length).toBeGreaterThan(0);
    for (const { port, url } of endpoints)
      expect(url).toBe(`${rig.gatewayUrl}/${started.ref.nativeId}/${port}`);
  }
});

/** As cmux expected it once: a `url` beside the instance, which is not Morph's to give and leads nowhere. */
function withDecoyUrl(http: HttpClient, requests: HttpRequest[]): HttpClient {
  return {
    ...http,
    async request(request) {
      requests.push(request);
      const reply = await http.request(request);
      const body = reply.json();
      const isInstance = typeof body === 'object' && body !== null && 'networking' in body;
      return isInstance ? { ...reply, json: () => ({ ...body, url: 'http://decoy.invalid' }) } : reply;
    },
  };
}
