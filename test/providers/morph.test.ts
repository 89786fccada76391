/** What is special to Morph Cloud. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createMorphProvider } from '../../src/providers/morph/morph.ts';
import { createMorphHttpClient } from '../../src/providers/morph/morph-api.ts';
import {
  MORPH_REFUSALS,
  morphDetail,
  parseRetryAfterMs,
  refusedMorphRequest,
} from '../../src/providers/morph/morph-errors.ts';
import { API_KEY, failureOf, specFor, startGuest, startMorphRig, testCall } from './rig.ts';

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function startRig(options: Parameters<typeof startMorphRig>[0] = {}) {
  const rig = await startMorphRig(options);
  closers.push(rig.close);
  return rig;
}

const instanceOf = (rig: Awaited<ReturnType<typeof startRig>>, id: string) =>
  rig.morph.inventory().instances.find((instance) => instance.id === id)!;

/** A Morph that says what a test wants it to say. */
async function scriptedProvider(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const http = createMorphHttpClient({
    apiKey: API_KEY,
    baseUrl: `http://127.0.0.1:${port}`,
    maxConnections: 2,
  });
  closers.push(async () => {
    await http.close();
    server.closeAllConnections();
    server.close();
  });
  return createMorphProvider({ http }, { failureDomain: 'morph:test', simulated: true });
}

describe('starting', () => {
  it("signs the instance, keeps the caller's metadata and lets no caller sign for us", async () => {
    const rig = await startRig();
    const spec = specFor(rig.provider, { metadata: { app: 'cmux', 'cmuxLifecycle.guest': 'morph-forged' } });
    const { ref } = await startGuest(rig.provider, spec);
    expect(instanceOf(rig, ref.nativeId).metadata).toMatchObject({
      app: 'cmux',
      'cmuxLifecycle.guest': spec.guestId,
      'cmuxLifecycle.sandbox': spec.marker.sandbox,
    });
  });

  it('arms the dead-man switch always with the action pause, whatever time to live the caller set', async () => {
    const rig = await startRig();
    const spec = specFor(rig.provider);
    const { ref } = await startGuest(rig.provider, {
      ...spec,
      marker: { ...spec.marker, ttlSeconds: 3_600 },
    });
    expect(instanceOf(rig, ref.nativeId).ttl).toMatchObject({ seconds: 14_400, action: 'pause' });
  });

  it('sends no TTL where the dead-man switch is off, and takes one away that was armed before', async () => {
    const rig = await startRig({ deadManSeconds: 0 });
    const { ref } = await startGuest(rig.provider);
    expect(instanceOf(rig, ref.nativeId).ttl.seconds).toBeNull();
    const armed = await startRig();
    const before = await startGuest(armed.provider);
    const off = armed.reconnect({ deadManSeconds: 0 });
    await off.configure?.(before.ref, testCall());
    expect(instanceOf(armed, before.ref.nativeId).ttl.seconds).toBeNull();
  });

  it('sends wake-on only where the instance says otherwise', async () => {
    const rig = await startRig();
    const { intent, ref } = await startGuest(rig.provider);
    expect(rig.calls()['POST /instance/{id}/wake-on']).toBeUndefined();
    await fetch(`${rig.morph.url}/instance/${ref.nativeId}/wake-on`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      body: '{"wake_on_http":true}',
    });
    const call = testCall();
    await rig.provider.bringUp(intent, { ref }, call);
    expect(call.steps).toEqual(['configure']);
    expect(instanceOf(rig, ref.nativeId).wakeOn).toEqual({ http: false, ssh: false });
  });

  it('names its endpoints by port, by our names', async () => {
    const rig = await startRig();
    const { facts } = await startGuest(rig.provider);
    expect(facts.endpoints.map(({ name, port }) => [name, port])).toEqual([
      ['worker', 39377],
      ['vscode', 39378],
      ['proxy', 39379],
      ['vnc', 39380],
      ['cdp', 39381],
    ]);
  });

  it('calls an instance that Morph reports as failed so', async () => {
    const rig = await startRig();
    rig.faults.add({ action: { kind: 'fail-task', taskType: 'start', exitstatus: 'x' } });
    const failure = await failureOf(startGuest(rig.provider));
    expect(failure).toMatchObject({ kind: 'guest_failed', effect: 'applied' });
  });

  it('says source_missing when the account has no such snapshot', async () => {
    const rig = await startRig();
    const spec = specFor(rig.provider, { sources: { morph: { snapshotId: 'snapshot_gone' } } });
    const intent = await rig.provider.prepare(spec, testCall());
    const failure = await failureOf(rig.provider.create(intent, testCall()));
    expect(failure).toMatchObject({ kind: 'source_missing', effect: 'none' });
    expect(failure.message).toContain('snapshot_gone');
  });

  it('proves absence when the instance vanishes before it is ready', async () => {
    const rig = await startRig();
    const intent = await rig.provider.prepare(specFor(rig.provider), testCall());
    const created = await rig.provider.create(intent, testCall());
    await rig.provider.destroy(created.ref, testCall());
    const failure = await failureOf(rig.provider.bringUp(intent, created, testCall()));
    expect(failure).toMatchObject({ kind: 'not_found', effect: 'none' });
  });
});

describe('changing state', () => {
  it('joins a pause that is under way elsewhere', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    const first = rig.provider.pause(ref, testCall());
    while (instanceOf(rig, ref.nativeId).status !== 'saving') await new Promise((go) => setTimeout(go, 2));
    expect(await rig.provider.pause(ref, testCall())).toEqual({ preservesRam: true });
    expect(await first).toEqual({ preservesRam: true });
    expect(rig.calls()['POST /instance/{id}/pause']).toBe(1);
  });

  it('reads the state anew after a 409: somebody else was quicker', async () => {
    let posts = 0;
    const provider = await scriptedProvider((request, response) => {
      response.setHeader('content-type', 'application/json');
      if (request.method === 'POST') {
        posts += 1;
        response.writeHead(409).end('{"detail":"Instance is paused"}');
        return;
      }
      const status = posts === 0 ? 'ready' : 'paused';
      response.end(JSON.stringify({ id: 'morphvm_x', status, metadata: markerMetadata('morph-1') }));
    });
    const ref = { provider: 'morph', guestId: 'morph-1', nativeId: 'morphvm_x' } as const;
    expect(await provider.pause(ref, testCall())).toEqual({ preservesRam: true });
    expect(posts).toBe(1);
  });

  it('says wrong_state when the state still contradicts after a 409', async () => {
    const provider = await scriptedProvider((request, response) => {
      response.setHeader('content-type', 'application/json');
      if (request.method === 'POST') response.writeHead(409).end('{"detail":"busy"}');
      else
        response.end(
          JSON.stringify({ id: 'morphvm_x', status: 'ready', metadata: markerMetadata('morph-1') }),
        );
    });
    const ref = { provider: 'morph', guestId: 'morph-1', nativeId: 'morphvm_x' } as const;
    expect(await failureOf(provider.pause(ref, testCall()))).toMatchObject({
      kind: 'wrong_state',
      effect: 'none',
    });
  });

  it('does not take the 404 of something in between for absence', async () => {
    const provider = await scriptedProvider((_, response) => response.writeHead(404).end('<html>not here'));
    const ref = { provider: 'morph', guestId: 'morph-1', nativeId: 'morphvm_x' } as const;
    expect(await failureOf(provider.inspect(ref, testCall()))).toMatchObject({ kind: 'provider_error' });
    expect(await failureOf(provider.destroy(ref, testCall()))).toMatchObject({ kind: 'provider_error' });
  });

  it('never asks a service of the sandbox, which could wake it', async () => {
    const rig = await startRig();
    const { ref } = await startGuest(rig.provider);
    await rig.provider.pause(ref, testCall());
    await rig.provider.inspect(ref, testCall());
    await rig.provider.list(testCall());
    expect(instanceOf(rig, ref.nativeId).status).toBe('paused');
    expect(Object.keys(rig.calls()).filter((name) => name.includes('exec'))).toEqual([]);
  });
});

describe('listing and looking', () => {
  it('lists signed instances of every deployment, with their markers, and no others', async () => {
    const rig = await startRig();
    const spec = specFor(rig.provider);
    const other = { ...spec, marker: { ...spec.marker, deployment: 'other' } };
    const { ref } = await startGuest(rig.provider, other);
    await fetch(`${rig.morph.url}/instance?snapshot_id=snapshot_small`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}` },
    });
    const listed = await rig.provider.list(testCall());
    expect(listed).toHaveLength(1);
    expect(listed[0]).toMatchObject({
      ref,
      condition: 'running',
      marker: { deployment: 'other', attempt: 1 },
    });
  });

  it('checks the marker itself, should the filter be ignored', async () => {
    const provider = await scriptedProvider((_, response) => {
      const instances = [{ id: 'morphvm_a', metadata: markerMetadata('morph-other') }];
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ data: instances }));
    });
    const intent = await provider.prepare(specFor(provider), testCall());
    expect(await provider.look(intent, testCall())).toEqual({ kind: 'absent' });
  });
});

describe('refusals of Morph', () => {
  it.each([
    [400, 'invalid_request', 'none'],
    [401, 'unauthorized', 'none'],
    [402, 'quota_exceeded', 'none'],
    [403, 'unauthorized', 'none'],
    [404, 'not_found', 'none'],
    [408, 'timed_out', 'unknown'],
    [409, 'wrong_state', 'none'],
    [412, 'wrong_state', 'none'],
    [418, 'provider_error', 'unknown'],
    [422, 'invalid_request', 'none'],
    [429, 'rate_limited', 'none'],
    [500, 'provider_error', 'unknown'],
    [502, 'provider_error', 'unknown'],
    [503, 'provider_error', 'unknown'],
    [504, 'timed_out', 'unknown'],
    [524, 'timed_out', 'unknown'],
  ])('reads %i as %s with effect %s', (status, kind, effect) => {
    const refused = { what: 'POST /instance', status, detail: 'why' };
    expect(refusedMorphRequest({ ...refused, changes: true }).report).toMatchObject({ kind, effect });
    expect(refusedMorphRequest({ ...refused, changes: false }).report).toMatchObject({
      kind,
      effect: 'none',
    });
  });

  it('has no status in two rows', () => {
    const statuses: number[] = MORPH_REFUSALS.flatMap((row) => [...row.status]);
    expect(new Set(statuses).size).toBe(statuses.length);
  });

  it('passes on when Morph wants to be asked again', async () => {
    const provider = await scriptedProvider((_, response) => {
      response.writeHead(429, { 'retry-after': '7' }).end('{"detail":"slow down"}');
    });
    const intent = await provider.prepare(specFor(provider), testCall());
    const failure = await failureOf(provider.create(intent, testCall()));
    expect(failure).toMatchObject({ kind: 'rate_limited', effect: 'none', retryAfterMs: 7_000 });
  });

  it.each([
    ['3', 3_000],
    ['Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', undefined],
    [undefined, undefined],
  ])('reads Retry-After %s', (value, expected) => {
    expect(parseRetryAfterMs(value, 10_000)).toBe(expected);
  });

  it.each([
    [{ detail: 'Payment required' }, 'Payment required'],
    [
      { detail: [{ loc: ['query', 'snapshot_id'], msg: 'Field required' }] },
      'query.snapshot_id: Field required',
    ],
    [{ other: 1 }, ''],
    [undefined, ''],
  ])('reads the reason in %j', (body, expected) => {
    expect(morphDetail(body)).toBe(expected);
  });
});

function markerMetadata(guestId: string): Record<string, string> {
  const fields = {
    deployment: 'd',
    install: 'i',
    sandbox: 's',
    guest: guestId,
    operation: 'o',
    attempt: '1',
  };
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [`cmuxLifecycle.${key}`, value]));
}
