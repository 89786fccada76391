import { describe, expect, it } from 'vitest';
import { eventually, morphClient, SNAPSHOT, simulate, visit } from './support.ts';

const START = `/instance?snapshot_id=${SNAPSHOT.id}`;

describe('an instance on simulated Morph', () => {
  it('goes from pending to ready; its services are missing in the start reply and listed afterwards', async () => {
    const { morphApi, gatewayUrl } = await simulate();
    const reply = await morphApi.call('POST', START, { metadata: { app: 'cmux' } });
    expect(reply).toMatchObject({
      status: 200,
      body: {
        id: expect.stringMatching(/^morphvm_sim[0-9a-f]{8}$/),
        status: 'pending',
        spec: { vcpus: 4, memory: 8192, disk_size: 32_768 },
        networking: { http_services: [] },
        ttl: { ttl_seconds: null },
        wake_on: { wake_on_ssh: false, wake_on_http: false },
      },
    });
    const ready = await morphApi.becomes(reply.body.id, 'ready');
    const ports = ready.networking.http_services.map(({ port }: { port: number }) => port);
    expect(ports).toEqual([39_377, 39_378, 39_379, 39_380, 39_381]);
    expect(ready.networking.http_services[1].url).toBe(`${gatewayUrl}/${ready.id}/39378`);
  });

  it('keeps its memory while paused', async () => {
    const { morphApi, gatewayUrl } = await simulate();
    const { id } = await morphApi.start();
    const before = await eventually(async () => {
      const reply = await visit(gatewayUrl, id);
      return reply.status === 200 && reply.body.counter >= 1 ? reply.body : undefined;
    });
    expect((await morphApi.call('POST', `/instance/${id}/pause`)).body.status).toBe('paused');
    expect((await visit(gatewayUrl, id)).status).toBe(503);
    expect((await morphApi.call('POST', `/instance/${id}/resume`)).status).toBe(200);
    await morphApi.becomes(id, 'ready');
    const after = await visit(gatewayUrl, id);
    expect(after).toMatchObject({ status: 200, body: { simulated: true, bootCount: 1 } });
    expect(after.body.counter).toBeGreaterThanOrEqual(before.counter);
  });

  it('is saving while a pause is under way, and pausing a paused one changes nothing', async () => {
    const { morphApi } = await simulate({}, { morphLatency: { pauseMs: 400 } });
    const { id } = await morphApi.start();
    const pause = morphApi.call('POST', `/instance/${id}/pause`);
    await morphApi.becomes(id, 'saving');
    expect((await morphApi.call('POST', `/instance/${id}/pause`)).status).toBe(409);
    expect((await morphApi.call('POST', `/instance/${id}/resume`)).status).toBe(409);
    expect((await pause).body.status).toBe('paused');
    expect(await morphApi.call('POST', `/instance/${id}/pause`)).toMatchObject({
      status: 200,
      body: { status: 'paused' },
    });
  });

  it('is gone after delete', async () => {
    const { morphApi } = await simulate();
    const { id } = await morphApi.start();
    expect(await morphApi.call('DELETE', `/instance/${id}`)).toMatchObject({ status: 204, text: '' });
    expect(await morphApi.call('GET', `/instance/${id}`)).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('not found') },
    });
    expect((await morphApi.call('DELETE', `/instance/${id}`)).status).toBe(404);
  });

  it('is deleted when its TTL runs out, unless the action says pause', async () => {
    const { morphApi } = await simulate();
    const doomed = await morphApi.start({ ttl_seconds: 0.6 });
    const kept = await morphApi.start({ ttl_seconds: 0.6, ttl_action: 'pause' });
    expect(doomed.ttl.ttl_action).toBe('stop');
    await morphApi.becomes(kept.id, 'paused');
    await eventually(async () =>
      (await morphApi.call('GET', `/instance/${doomed.id}`)).status === 404 ? true : undefined,
    );
    const resumed = await morphApi.call('POST', `/instance/${kept.id}/resume`);
    expect(resumed.body.ttl.ttl_expire_at).toBeGreaterThanOrEqual(kept.ttl.ttl_expire_at);
    await morphApi.becomes(kept.id, 'ready');
    await morphApi.becomes(kept.id, 'paused');
  });

  it('outlives its TTL when that is cleared in time', async () => {
    const { morphApi, morph } = await simulate();
    const { id } = await morphApi.start({ ttl_seconds: 0.6 });
    const cleared = await morphApi.call('POST', `/instance/${id}/ttl`, { ttl_seconds: null });
    expect(cleared.body.ttl).toEqual({ ttl_seconds: null, ttl_expire_at: null, ttl_action: null });
    // Made later with the same TTL: when this one is gone, the first one's time was up as well.
    await morphApi.start({ ttl_seconds: 0.6 });
    await eventually(() => (morph.inventory().instances.length === 1 ? true : undefined));
    expect(morph.inventory().instances).toMatchObject([{ id, status: 'ready' }]);
  });

  it('keeps the action of its TTL when only the time is changed', async () => {
    const { morphApi } = await simulate();
    const { id } = await morphApi.start();
    const ttl = async (body: unknown) => (await morphApi.call('POST', `/instance/${id}/ttl`, body)).body.ttl;
    expect(await ttl({ ttl_seconds: 3600, ttl_action: 'pause' })).toMatchObject({
      ttl_seconds: 3600,
      ttl_action: 'pause',
    });
    expect(await ttl({ ttl_seconds: 7200 })).toMatchObject({ ttl_seconds: 7200, ttl_action: 'pause' });
  });

  it('is woken by a visitor only if it asked for that', async () => {
    const { morphApi, gatewayUrl } = await simulate();
    const { id } = await morphApi.start();
    await morphApi.call('POST', `/instance/${id}/pause`);
    expect((await visit(gatewayUrl, id)).status).toBe(503);
    expect((await morphApi.call('GET', `/instance/${id}`)).body.status).toBe('paused');
    const woken = await morphApi.call('POST', `/instance/${id}/wake-on`, { wake_on_http: true });
    expect(woken.body.wake_on).toEqual({ wake_on_ssh: false, wake_on_http: true });
    expect((await visit(gatewayUrl, id)).status).toBe(200);
    expect((await morphApi.call('GET', `/instance/${id}`)).body.status).toBe('ready');
  });

  it('exposes and hides services', async () => {
    const { morphApi, gatewayUrl } = await simulate();
    const { id } = await morphApi.start();
    expect((await visit(gatewayUrl, id, 3000)).status).toBe(404);
    const exposed = await morphApi.call('POST', `/instance/${id}/http`, { name: 'dev', port: 3000 });
    expect(exposed.body.networking.http_services.at(-1)).toEqual({
      name: 'dev',
      port: 3000,
      url: `${gatewayUrl}/${id}/3000`,
      auth_mode: 'none',
    });
    await eventually(async () => ((await visit(gatewayUrl, id, 3000)).status === 200 ? true : undefined));
    expect(
      (await morphApi.call('DELETE', `/instance/${id}/http/dev`)).body.networking.http_services,
    ).toHaveLength(5);
    expect((await morphApi.call('DELETE', `/instance/${id}/http/dev`)).status).toBe(404);
  });

  it('ends in error when its start fails, and stays pending when it is stuck', async () => {
    const { morphApi, morph } = await simulate();
    morph.faults.add({ action: { kind: 'fail-task', taskType: 'start', exitstatus: 'no host' }, times: 1 });
    await morphApi.becomes((await morphApi.call('POST', START)).body.id, 'error');
    morph.faults.add({ action: { kind: 'kill-task', taskType: 'start' }, times: 1 });
    const stuck = (await morphApi.call('POST', START)).body.id;
    await morphApi.start();
    expect((await morphApi.call('GET', `/instance/${stuck}`)).body.status).toBe('pending');
  });
});

describe('the HTTP manners of simulated Morph', () => {
  it('filters lists by metadata, pages them, and knows /instances too', async () => {
    const { morphApi } = await simulate();
    for (const job of ['a', 'b', 'b']) await morphApi.call('POST', START, { metadata: { app: 'cmux', job } });
    const found = await morphApi.call(
      'GET',
      `/instances?${encodeURIComponent('metadata[job]')}=b&metadata[app]=cmux`,
    );
    expect(found.body).toMatchObject({
      object: 'list',
      data: [{ metadata: { job: 'b' } }, { metadata: { job: 'b' } }],
    });
    expect((await morphApi.call('GET', '/instance/list?page=2&limit=2')).body).toMatchObject({
      instances: [{ metadata: { job: 'b' } }],
      total: 3,
      page: 2,
      size: 2,
      total_pages: 2,
      has_next: false,
      has_prev: true,
    });
  });

  it('makes two instances of two equal starts: there is no idempotency key', async () => {
    const { morphApi, morph } = await simulate();
    await morphApi.call('POST', START, { metadata: { job: 'a' } });
    await morphApi.call('POST', START, { metadata: { job: 'a' } });
    expect(morph.inventory().instances).toHaveLength(2);
  });

  it.each([
    { path: '/instance', body: {}, loc: ['query', 'snapshot_id'] },
    { path: START, body: { metadata: { a: 1 } }, loc: ['body', 'metadata', 'a'] },
    { path: START, body: { ttl_action: 'explode' }, loc: ['body', 'ttl_action'] },
    { path: '/instance/x/ttl', body: {}, loc: ['body', 'ttl_seconds'] },
    { path: '/instance/x/pause?snapshot=maybe', body: undefined, loc: ['query', 'snapshot'] },
  ])('names the place of a bad value: $loc', async ({ path, body, loc }) => {
    const { morphApi } = await simulate();
    const reply = await morphApi.call('POST', path, body);
    expect(reply).toMatchObject({
      status: 422,
      body: { detail: [{ loc, msg: expect.any(String), type: expect.any(String) }] },
    });
  });

  it('takes the snapshot id from the body before the query', async () => {
    const { morphApi } = await simulate();
    const reply = await morphApi.call('POST', '/instance?snapshot_id=snapshot_none', {
      snapshot_id: SNAPSHOT.id,
    });
    expect(reply.status).toBe(200);
    expect((await morphApi.call('POST', '/instance?snapshot_id=snapshot_none')).status).toBe(404);
  });

  it('replaces metadata', async () => {
    const { morphApi } = await simulate();
    const { id } = await morphApi.start({ metadata: { a: '1' } });
    expect((await morphApi.call('POST', `/instance/${id}/metadata`, { b: '2' })).body.metadata).toEqual({
      b: '2',
    });
  });

  it('answers a wrong key with 401, and injected errors in its own form', async () => {
    const { morph, morphApi } = await simulate();
    expect(await morphClient(morph.url, 'wrong').call('GET', '/instance')).toMatchObject({
      status: 401,
      body: { detail: expect.any(String) },
    });
    morph.faults.add({ action: { kind: 'error', status: 402, message: 'Payment required' }, times: 1 });
    expect(await morphApi.call('POST', START)).toMatchObject({
      status: 402,
      body: { detail: 'Payment required' },
    });
  });

  it('lists snapshots and quotas', async () => {
    const { morphApi } = await simulate();
    expect((await morphApi.call('GET', '/snapshot')).body.data).toMatchObject([
      { id: SNAPSHOT.id, status: 'ready' },
    ]);
    expect((await morphApi.call('GET', '/snapshot/nope')).status).toBe(404);
    await morphApi.start();
    const { services } = (await morphApi.call('GET', '/user/service/quota')).body;
    expect(services[0].quotas[0]).toEqual({ quota_code: 'vcpus', limit_value: 256, used_value: 4 });
  });
});
