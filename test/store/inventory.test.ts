import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GuestIntent } from '../../src/core/guest.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { submitStart } from './submitted-start.ts';

const LONG = { leaseMs: 60_000, sendDeadlineMs: 1_000 };

let store: Store;
beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  store = createStore(redis, randomPrefix(), LONG);
});
afterAll(() => store.redis.disconnect());

async function claimStart() {
  const operation = await submitStart(store);
  const claimed = await store.claims.claim(operation, 1, 'a');
  if (claimed.status !== 'claimed') throw new Error(claimed.status);
  return claimed.claim;
}

function intentOf(guestId: string): GuestIntent {
  const marker = { deployment: 'd', install: 'i', sandbox: 's', guest: guestId, operation: 'o', attempt: 1 };
  return { provider: 'morph', guestId, failureDomain: 'morph', source: 'snapshot', marker, metadata: {} };
}

test('a guest is in its provider’s inventory from its intent until it is gone, the condemned too', async () => {
  const claim = await claimStart();
  const guest = await store.attempts.recordIntent(claim, intentOf('morph-00000001'), 10);
  expect(await store.reading.inventory('morph', 10)).toEqual([guest.id]);
  expect(await store.reading.inventorySize('pve-vm')).toBe(0);

  const failure = { kind: 'timed_out', effect: 'unknown', message: 'no reply' } as const;
  const next = { provider: 'morph', outcome: 'failed', failure, delayMs: 0 } as const;
  await store.attempts.openNextAttempt({ ...claim, guest }, { ...next, guestFate: 'condemn' }, 20);
  expect(await store.reading.inventory('morph', 10)).toEqual([guest.id]);

  const again = await store.claims.claim(claim.operation, 2, 'b');
  if (again.status !== 'claimed') throw new Error(again.status);
  await store.attempts.openNextAttempt({ ...again.claim, guest }, { ...next, guestFate: 'gone' }, 30);
  expect(await store.reading.inventorySize('morph')).toBe(0);
});
