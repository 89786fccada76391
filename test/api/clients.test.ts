/** One interface, two transports: whatever is true of one is true of the other. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LifecycleClient } from '../../src/core/client.ts';
import { isLifecycleError, type LifecycleError } from '../../src/core/lifecycle-error.ts';
import { createFetchClient } from '../../src/producers/fetch-client.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET } from '../support/system.ts';
import { startTestApi, type TestApi } from './support.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

async function failureOf(run: Promise<unknown>): Promise<LifecycleError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isLifecycleError(error)) throw new Error(`expected a LifecycleError, got ${String(error)}`);
  return error;
}

const TRANSPORTS: readonly [string, () => LifecycleClient][] = [
  ['redis', () => api.test.producer],
  ['fetch', () => createFetchClient({ baseUrl: api.url })],
];

describe.each(TRANSPORTS)('over %s', (name, connect) => {
  test('a sandbox goes through its whole life', async () => {
    const client = connect();
    const started = await client.start({
      preset: PRESET,
      taskRunId: `life-${name}`,
      metadata: { via: name },
    });
    expect(started).toMatchObject({ state: 'running', provider: 'pve-vm', metadata: { via: name } });
    expect(await client.pause(started.id)).toMatchObject({ state: 'paused', preservesRam: true });
    expect(await client.resume(started.id)).toMatchObject({ state: 'running', memoryKept: true });
    expect(await client.setTtl(started.id, 60, { onExpiry: 'destroy' })).toMatchObject({
      ttlSeconds: 60,
      onExpiry: 'destroy',
    });
    expect(await client.setTtl(started.id, null)).not.toHaveProperty('ttlSeconds');
    expect(await client.setProtection(started.id, true)).toMatchObject({ protected: true });
    expect(await client.get(started.guestId ?? '')).toMatchObject({ id: started.id });
    const why = await client.why(started.id);
    expect(why.summary).toContain('is running');
    expect(why.idle).toMatchObject({ mode: 'shadow', verdict: 'exempt', rule: 'protected' });
    expect(await client.destroy(started.id)).toMatchObject({ state: 'destroyed' });
    expect(await client.destroy(started.id)).toMatchObject({ state: 'destroyed' });
  });

  test('lists take the same filters and give the same pages', async () => {
    const client = connect();
    const ids: string[] = [];
    for (const app of ['one', 'two', 'three']) {
      const { id } = await client.start({ preset: PRESET, teamId: `list-${name}`, metadata: { app } });
      ids.push(id);
    }
    const team = { teamId: `list-${name}` };
    await client.destroy(ids[0] ?? '');
    const listed = async (options: Parameters<typeof client.list>[0]) =>
      (await client.list({ ...team, ...options })).sandboxes.map(({ id }) => ids.indexOf(id));
    expect(await listed({})).toEqual([2, 1]);
    expect(await listed({ ended: true })).toEqual([0]);
    expect(await listed({ state: 'destroyed' })).toEqual([0]);
    expect(await listed({ state: ['running', 'destroyed'] })).toEqual([2, 1, 0]);
    expect(await listed({ metadata: { app: 'two' } })).toEqual([1]);
    expect(await listed({ provider: 'morph' })).toEqual([]);
    const first = await client.list({ ...team, limit: 1 });
    expect(await listed({ limit: 1, cursor: first.cursor ?? '' })).toEqual([1]);
    expect((await failureOf(client.list({ limit: 0 }))).code).toBe('invalid_request');
    const { operations } = await client.operations({ state: 'succeeded', limit: 1 });
    expect(operations).toMatchObject([{ kind: 'destroy', state: 'succeeded' }]);
    expect((await client.providers()).length).toBeGreaterThanOrEqual(2);
  });

  test('errors have the same codes and facts', async () => {
    const client = connect();
    expect(await failureOf(client.start({ preset: 'no-such' }))).toMatchObject({
      code: 'unknown_preset',
      retryable: false,
    });
    const bad = await failureOf(client.start({ preset: '', workloadType: 'huge', surprise: 1 } as never));
    expect(bad.code).toBe('invalid_request');
    for (const field of ['preset', 'workloadType', 'surprise']) expect(bad.message).toContain(field);
    expect(
      await failureOf(
        client.start({ preset: PRESET, requiresRamSnapshot: true, preferredProvider: 'pve-lxc' }),
      ),
    ).toMatchObject({ code: 'illegal_combination' });
    expect((await failureOf(client.get('sbx-none'))).code).toBe('not_found');
    const { id } = await client.start({ preset: PRESET, teamId: 'ours' });
    expect((await failureOf(client.pause(id, { expectTeamId: 'theirs' }))).code).toBe('not_found');
    expect((await failureOf(client.setProtection(id, true, { expectTeamId: 'theirs' }))).code).toBe(
      'not_found',
    );
    await client.destroy(id, { expectTeamId: 'ours' });
    expect(await failureOf(client.resume(id))).toMatchObject({ code: 'wrong_state', sandboxId: id });
  });

  test('a failed operation is told with the failure of every provider tried', async () => {
    const client = connect();
    await api.test.simulators.pve.setDown(true);
    await api.test.simulators.morph.setDown(true);
    const failure = await failureOf(client.start({ preset: PRESET }));
    await api.test.simulators.pve.setDown(false);
    await api.test.simulators.morph.setDown(false);
    expect(failure).toMatchObject({ code: 'no_provider_available', retryable: true });
    expect(failure.operationId).toMatch(/^op-/);
    expect(failure.cause).toMatchObject({ causes: [{ provider: 'pve-vm' }, { provider: 'morph' }] });
  });

  test('a wait that is over or aborted does not stop the operation', async () => {
    const client = connect();
    const error = await failureOf(client.start({ preset: PRESET }, { timeoutMs: 1 }));
    expect(error.code).toBe('wait_timed_out');
    expect(error.operationId).toMatch(/^op-/);
    const sandboxId = error.sandboxId ?? '';
    await eventually('the start goes on', async () => (await client.get(sandboxId)).state === 'running');
    const settled = await client.operation(error.operationId ?? '', { timeoutMs: 10_000 });
    expect(settled.state).toBe('succeeded');
    const aborted = client.pause(sandboxId, { signal: AbortSignal.abort(new Error('the caller left')) });
    await expect(aborted).rejects.toThrow('the caller left');
  });
});

test('a key is one request over both transports', async () => {
  const [redis, fetch] = TRANSPORTS.map(([, connect]) => connect()) as [LifecycleClient, LifecycleClient];
  const options = { idempotencyKey: 'shared-by-transports' };
  const [one, two] = await Promise.all([
    redis.start({ preset: PRESET }, options),
    fetch.start({ preset: PRESET }, options),
  ]);
  expect(one.id).toBe(two.id);
});

describe('the fetch client on a bad line', () => {
  let server: Server;
  afterAll(() => server.close());

  test('sends a change whose answer was lost again, with the same key, so that it happens once', async () => {
    let requests = 0;
    const keys: (string | undefined)[] = [];
    server = createServer((request, response) => {
      requests += 1;
      keys.push(request.headers['idempotency-key'] as string | undefined);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', async () => {
        const reply = await fetch(api.url + request.url, {
          method: request.method ?? '',
          headers: {
            'content-type': 'application/json',
            'idempotency-key': String(request.headers['idempotency-key']),
          },
          body: Buffer.concat(chunks).toString(),
        });
        const text = await reply.text();
        if (requests === 1) return request.socket.destroy();
        if (requests === 2)
          return response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
        response.writeHead(reply.status).end(text);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const before = api.test.vms().length;
    const client = createFetchClient({ baseUrl: `http://127.0.0.1:${port}/` });
    const sandbox = await client.start({ preset: PRESET });
    expect(sandbox.state).toBe('running');
    expect(requests).toBe(3);
    expect(new Set(keys).size).toBe(1);
    expect(api.test.vms()).toHaveLength(before + 1);
  });

  test('gives up after a few tries, as an error with a code', async () => {
    let tries = 0;
    const client = createFetchClient({
      baseUrl: 'http://127.0.0.1:9',
      fetch: () => {
        tries += 1;
        return Promise.reject(new TypeError('fetch failed'));
      },
    });
    expect(await failureOf(client.get('sbx-1'))).toMatchObject({ code: 'api_unreachable', retryable: true });
    expect(tries).toBe(4);
  });
});
