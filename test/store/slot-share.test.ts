/** Who holds a slot of the share when a run of an operation is over, on a real Redis. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Operation } from '../../src/core/operation.ts';
import type { Permits } from '../../src/core/ports.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import type { Provider } from '../../src/providers/provider.ts';
import type { ClaimOptions } from '../../src/store/claims.ts';
import { createPermits } from '../../src/store/permits.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import type { AttemptResult } from '../../src/workers/attempt-result.ts';
import { createLocalShare } from '../../src/workers/local-share.ts';
import { withinShare } from '../../src/workers/slot-share.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { submitStart } from './submitted-start.ts';

const DONE: AttemptResult = { result: 'succeeded', summary: 'done' };

let store: Store;
let permits: Permits;
let operation: Operation;
beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  store = createStore(redis, randomPrefix(), { leaseMs: 60_000, sendDeadlineMs: 1_000 });
  permits = createPermits(store, async () => true);
});
afterAll(() => store.redis.disconnect());
beforeEach(async () => {
  operation = await submitStart(store);
});

/** One run of the first attempt on morph, of which one may be at work. */
async function runOnce(holder: string, work: () => Promise<AttemptResult> = async () => DONE) {
  const deps = {
    store,
    permits,
    provider: { name: 'morph' } as Provider,
    slots: 1,
    localShare: createLocalShare(8),
  };
  const claim = (slot?: ClaimOptions['slot']) =>
    store.claims.claim(operation, 1, holder, slot === undefined ? {} : { slot });
  return withinShare(deps, operation, claim, work);
}

const holders = () => store.redis.zrange(store.keys.permits('morph:slots').holders, 0, -1);

test('a run that is over gives its slot back', async () => {
  await runOnce('a', async () => {
    expect(await holders()).toEqual([operation.id]);
    return DONE;
  });
  expect(await holders()).toEqual([]);
});

test('a claim that fails after its slot was taken gives the slot back', async () => {
  await store.redis.hset(store.keys.operation(operation.id), { route: 'not what was written' });
  await expect(runOnce('a')).rejects.toThrow();
  expect(await holders()).toEqual([]);
});

test('a job that is delivered again while its attempt is at work leaves it its slot', async () => {
  await runOnce('a', async () => {
    expect(await runOnce('b')).toEqual(DONE);
    expect(await holders()).toEqual([operation.id]);
    return DONE;
  });
  expect(await holders()).toEqual([]);
});

test.each([
  ['the same provider leaves its slot to that', 'morph', 1],
  ['another provider gives the slot back', 'pve-vm', 0],
] as const)('a job whose attempt was followed by one on %s', async (_case, provider, held) => {
  const next = { number: 2, provider, outcome: 'open', openedAtMs: 2 };
  const fields = { attempt: 2, 'attempt:2': JSON.stringify(next) };
  await store.redis.hset(store.keys.operation(operation.id), fields);
  await permits.take(operation.id, [{ name: 'morph:slots', limit: 1 }]);
  await runOnce('a');
  expect(await holders()).toHaveLength(held);
  await permits.release(operation.id, 'morph:slots');
});
