import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectRedis } from '../../src/platform/redis.ts';
import { type Claim, ClaimLostError } from '../../src/store/claims.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { openSession } from '../../src/workers/attempt-session.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { submitStart } from './submitted-start.ts';

const TIMING = { leaseMs: 300, sendDeadlineMs: 100 };
/** No load on the machine makes a proof old by accident. */
const PATIENT = { leaseMs: 200_000, sendDeadlineMs: 40_000 };

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

test('a step right after a write asks Redis nothing, and counts its send deadline from that write', async () => {
  const claim = await claimedStart();
  let renewals = 0;
  const counted: Claim = {
    ...claim,
    renew: () => {
      renewals += 1;
      return claim.renew();
    },
  };
  const session = openSession(
    { store, timing: PATIENT, nowMs: Date.now },
    counted,
    performance.now() - PATIENT.sendDeadlineMs,
    new AbortController().signal,
  );
  try {
    const guestId = 'morph-11111111';
    const { operation } = session.claim;
    const marker = { deployment: 'd', install: 'i', sandbox: operation.sandboxId, guest: guestId };
    await session.recordIntent({
      provider: 'morph',
      guestId,
      failureDomain: 'morph',
      source: 'snapshot',
      marker: { ...marker, operation: operation.id, attempt: 1 },
      metadata: {},
    });
    const writtenAtMs = performance.now();
    await session.recordCreated({ ref: { provider: 'morph', guestId, nativeId: 'n' } });
    const sendBeforeMs = await session.call.step('boot', async (beforeMs) => beforeMs);
    expect(renewals).toBe(0);
    expect(sendBeforeMs).toBeGreaterThanOrEqual(writtenAtMs + PATIENT.sendDeadlineMs);
    expect(sendBeforeMs).toBeLessThan(performance.now() + PATIENT.sendDeadlineMs);
  } finally {
    session.close();
  }
});

test('a step whose last proof is old asks Redis, and is refused when a newer claim was made', async () => {
  const claim = await claimedStart();
  const session = openSession(
    { store, timing: PATIENT, nowMs: Date.now },
    claim,
    performance.now() - PATIENT.sendDeadlineMs,
    new AbortController().signal,
  );
  try {
    await store.redis.hincrby(store.keys.sandbox(claim.operation.sandboxId), 'epoch', 1);
    await expect(session.call.step('boot', async () => 'sent')).rejects.toThrow(ClaimLostError);
  } finally {
    session.close();
  }
});
