/** Touches and holds through both transports, which behave alike, and how few writes they make. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { LifecycleClient } from '../../src/core/client.ts';
import type { SandboxView } from '../../src/core/views.ts';
import { createFetchClient } from '../../src/producers/fetch-client.ts';
import { createTouchBatch } from '../../src/producers/touch-batch.ts';
import { startTestApi, type TestApi } from '../api/support.ts';
import { PRESET } from '../support/system.ts';

let api: TestApi;
let sandbox: SandboxView;
let clients: Record<'redis' | 'http', LifecycleClient>;
beforeAll(async () => {
  api = await startTestApi();
  clients = { redis: api.test.producer, http: createFetchClient({ baseUrl: api.url }) };
  sandbox = await clients.redis.start({ preset: PRESET, teamId: 'team-1' });
});
afterAll(() => api.close());

const read = async () => {
  const [activity] = await api.test.system.store.activity.read([sandbox.id], Date.now());
  if (activity === undefined) throw new Error('no answer');
  return activity;
};

describe.each(['redis', 'http'] as const)('over %s', (transport) => {
  test('a touch by either id raises the sequence, and unknown ids are named', async () => {
    const { sequence } = await read();
    const ids = [sandbox.id, sandbox.guestId ?? '', 'sbx-unheard-of'];
    expect(await clients[transport].touch(ids)).toEqual({
      noted: [sandbox.id, sandbox.guestId],
      unknown: ['sbx-unheard-of'],
    });
    expect((await read()).sequence).toBeGreaterThan(sequence);
  });

  test('a hold is taken, cut to the longest, renewed and released', async () => {
    const hold = { owner: `run over ${transport}`, reason: 'agent turn running', seconds: 7 * 24 * 3_600 };
    const taken = await clients[transport].hold(sandbox.id, hold);
    expect(taken.untilMs - taken.sinceMs).toBe(4 * 3_600_000);
    expect((await read()).holds.map(({ owner }) => owner)).toContain(hold.owner);
    await clients[transport].release(sandbox.id, hold.owner);
    expect((await read()).holds.map(({ owner }) => owner)).not.toContain(hold.owner);
  });

  test('refuses a hold of what is not there, and one without an owner', async () => {
    const hold = { owner: 'run', reason: 'turn', seconds: 60 };
    const { hold: take } = clients[transport];
    await expect(take('sbx-unheard-of', hold)).rejects.toMatchObject({ code: 'not_found' });
    await expect(take(sandbox.id, { ...hold, owner: '' })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

test('one sandbox is touched by its own path as well, and only by its own team', async () => {
  const touch = (teamId: string) =>
    api.call('POST', `/v1/sandboxes/${sandbox.id}/activity`, {
      body: { action: 'touch' },
      as: { name: 'ops', role: 'operator', teamId },
    });
  expect((await touch('team-1')).status).toBe(200);
  expect((await touch('team-2')).status).toBe(404);
});

test('a thousand touches of ten sandboxes are two writes of ten: one at once, one when the second is over', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
  try {
    const writes: (readonly string[])[] = [];
    const { touch } = createTouchBatch((ids) => {
      writes.push(ids);
      return Promise.resolve(ids.map(() => true));
    });
    const touched: Promise<boolean>[] = [];
    for (let round = 0; round < 100; round += 1) {
      for (let sandbox = 0; sandbox < 10; sandbox += 1) touched.push(touch(`sbx-${sandbox}`));
      await vi.advanceTimersByTimeAsync(5);
    }
    await vi.advanceTimersByTimeAsync(1_500);
    expect(await Promise.all(touched)).not.toContain(false);
    expect(writes.flat()).toHaveLength(20);
  } finally {
    vi.useRealTimers();
  }
});

test('a touch is acknowledged only by a write that began after it', async () => {
  const begun: number[] = [];
  let order = 0;
  const { touch } = createTouchBatch((ids) => {
    begun.push(++order);
    return Promise.resolve(ids.map(() => true));
  });
  await touch('sbx-1');
  const asked = ++order;
  await touch('sbx-1');
  expect(begun.at(-1)).toBeGreaterThan(asked);
});
