import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectRedis } from '../../src/platform/redis.ts';
import type { Claim } from '../../src/store/claims.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { openSession } from '../../src/workers/attempt-session.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { submitStart } from './submitted-start.ts';

const TIMING = { leaseMs: 300, sendDeadlineMs: 100 };

let store: Store;
beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  store = createStore(redis, randomPrefix(), TIMING);
});
afterAll(() => store.redis.disconnect());

async function claimedStart(): Promise<Claim> {
  const result = await store.claims.claim(await submitStart(store), 1, randomUUID());
  if (result.status !== 'claimed') throw new Error(result.status);
  return result.claim;
}

/** Not one instruction of this process runs meanwhile, as if it had been stopped. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('a step that was frozen after its renewal is told a send deadline that has passed', async () => {
  const claim = await claimedStart();
  const session = openSession(
    {
      store,
      timing: TIMING,
      nowMs: Date.now,
      onStep: (_name, when) => (when === 'before' ? freeze(600) : undefined),
    },
    claim,
    performance.now(),
    new AbortController().signal,
  );
  try {
    const leftMs = await session.call.step('boot', async (sendBeforeMs) => sendBeforeMs - performance.now());
    expect(leftMs).toBeLessThan(0);
  } finally {
    session.close();
  }
});

test('a create leaves within the send deadline of its permit, on which absence is judged, or not at all', async () => {
  const claim = await claimedStart();
  const session = openSession(
    { store, timing: TIMING, nowMs: Date.now },
    claim,
    performance.now(),
    new AbortController().signal,
  );
  try {
    expect(await session.takeSendPermit('morph-00000000')).toBe(true);
    // The claim holds all the while; only the driver is slow.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const leftMs = await session.call.step(
      'create',
      async (sendBeforeMs) => sendBeforeMs - performance.now(),
    );
    expect(leftMs).toBeLessThan(0);
  } finally {
    session.close();
  }
});
