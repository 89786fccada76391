/** Many callers at once, callers that leave, and a Redis that goes away: each gets one truthful answer. */
import { afterEach, expect, test } from 'vitest';
import { DEFAULT_LEASE } from '../../src/store/store.ts';
import { eventually } from '../support/eventually.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { FAST_RECOVERY, PRESET } from '../support/system.ts';
import { type Answer, expectError, startTestApi, type TestApi } from './support.ts';

let api: TestApi | undefined;
let redis: TestRedis | undefined;
afterEach(async () => {
  await api?.close();
  await redis?.stop();
  api = undefined;
  redis = undefined;
});

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at);

async function everySandbox({
  call,
}: TestApi): Promise<readonly { id: string; state: string; taskRunId: string }[]> {
  const sandboxes = [];
  let cursor: string | undefined;
  do {
    const query = `?limit=200${cursor === undefined ? '' : `&cursor=${cursor}`}`;
    const { body } = await call('GET', `/v1/sandboxes${query}`);
    sandboxes.push(...body.sandboxes);
    cursor = body.cursor;
  } while (cursor !== undefined);
  return sandboxes;
}

test('200 starts that wait at once are answered each with a sandbox of its own that runs', {
  timeout: 120_000,
}, async () => {
  // Nobody dies here, and what cannot leave within a third of a second would rightly go elsewhere, or fail there too.
  api = await startTestApi({ recovery: { ...FAST_RECOVERY, lease: DEFAULT_LEASE } });
  const { call } = api;
  const answers = await Promise.all(
    numbers(200).map((at) =>
      call('POST', '/v1/sandboxes?wait=60', { body: { preset: PRESET, taskRunId: `run-${at}` } }),
    ),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  expect(answers.map(({ body }) => body.taskRunId)).toEqual(numbers(200).map((at) => `run-${at}`));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(200);
  expect(answers.every(({ body }) => body.state === 'running')).toBe(true);
  expect(await everySandbox(api)).toHaveLength(200);
  expect(api.test.vms().length + api.test.instances().length).toBe(200);
  expect(api.crashes).toEqual([]);
});

test('what callers asked for who left goes on, and their keys find it again', {
  timeout: 60_000,
}, async () => {
  api = await startTestApi();
  const { call } = api;
  const start = (at: number, signal?: AbortSignal) =>
    call('POST', '/v1/sandboxes?wait=60', {
      body: { preset: PRESET },
      headers: { 'idempotency-key': `left-${at}` },
      ...(signal ? { signal } : {}),
    });
  const leave = new AbortController();
  const waiting = Promise.allSettled(numbers(30).map((at) => start(at, leave.signal)));
  await eventually('every start is accepted', async () => (await everySandbox(api as TestApi)).length === 30);
  leave.abort();
  await waiting;
  const answers = await Promise.all(numbers(30).map((at) => start(at)));
  expect(answers.map(({ status }) => status)).toEqual(numbers(30).map(() => 201));
  expect(await everySandbox(api)).toHaveLength(30);
  expect(api.test.vms().length + api.test.instances().length).toBe(30);
  expect(api.crashes).toEqual([]);
});

test('while Redis is away requests fail at once, and every start in flight gets one answer that is true', {
  timeout: 120_000,
}, async () => {
  redis = await startTestRedis();
  api = await startTestApi({ redisUrl: redis.url });
  const { call } = api;
  const start = (at: number) =>
    call('POST', '/v1/sandboxes?wait=60', {
      body: { preset: PRESET, taskRunId: `run-${at}` },
      headers: { 'idempotency-key': `outage-${at}` },
    });

  const before = numbers(12).map(start);
  await eventually('some starts are accepted', async () => (await everySandbox(api as TestApi)).length >= 6);
  await redis.goAway();
  const startedAtMs = performance.now();
  const during = await Promise.all(numbers(6).map((at) => start(at + 12)));
  for (const answer of during) {
    expectError(answer, 503, 'store_unavailable');
    expect(answer.headers.get('retry-after')).toBe('2');
  }
  expect(performance.now() - startedAtMs).toBeLessThan(5_000);
  expectError(await call('GET', '/v1/sandboxes'), 503, 'store_unavailable');
  await redis.comeBack();

  const answers: Answer[] = await Promise.all(before);
  for (const answer of answers) {
    // Accepted before: it was waited for, through the outage. Cut off while it was submitted: told to retry.
    if (answer.status === 201) expect(answer.body.state).toBe('running');
    else expectError(answer, 503, 'store_unavailable');
  }
  expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(6);

  await eventually('the API answers again', async () => (await call('GET', '/v1/sandboxes')).status === 200);
  const again = await Promise.all(numbers(18).map(start));
  expect(again.map(({ status }) => status)).toEqual(numbers(18).map(() => 201));
  for (const [at, { status, body }] of answers.entries())
    if (status === 201) expect(again[at]?.body.id).toBe(body.id);
  const sandboxes = await everySandbox(api);
  expect(new Set(sandboxes.map(({ taskRunId }) => taskRunId)).size).toBe(18);
  expect(sandboxes).toHaveLength(18);
  expect(api.crashes).toEqual([]);
});
