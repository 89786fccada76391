import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectRedis } from '../../src/platform/redis.ts';
import { createSettlements, type Settlements } from '../../src/store/settlements.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { eventually } from '../support/eventually.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { submitStart } from './submitted-start.ts';

let store: Store;
let settlements: Settlements;
const looks: string[] = [];

beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  store = createStore(redis, randomPrefix());
  const operation = (id: string) => {
    looks.push(id);
    return store.reading.operation(id);
  };
  settlements = createSettlements(redis, store.keys, { ...store.reading, operation });
  expect(await settlements.wait({ id: 'op-none' }, { timeoutMs: 0 })).toBeUndefined();
  await eventually('it listens', async () => {
    const [, listeners] = await redis.pubsub('NUMSUB', store.keys.settlements);
    return Number(listeners) === 1;
  });
  // The answer to the subscription came before that number; its turn may be the next one.
  await new Promise((resolve) => setImmediate(resolve));
});
afterAll(async () => {
  await settlements.close();
  store.redis.disconnect();
});
beforeEach(() => {
  looks.length = 0;
});

/** Later than any subscription of this process. */
const SINCE_THEN = { createdAtMs: Date.now() + 60_000 };

async function settle(operation: Awaited<ReturnType<typeof submitStart>>): Promise<void> {
  const claimed = await store.claims.claim(operation, 1, 'a');
  if (claimed.status !== 'claimed') throw new Error(claimed.status);
  await store.attempts.settle(claimed.claim, { operation: { state: 'failed' }, guestFate: 'gone' }, 3);
}

test('whoever waits for an operation that was written since it listens looks only when told', async () => {
  const operation = await submitStart(store);
  const { id, sandboxId } = operation;
  const waiting = settlements.wait({ id, sandboxId, ...SINCE_THEN }, { timeoutMs: 20_000 });
  expect(looks).toEqual([]);
  await settle(operation);
  expect(await waiting).toMatchObject({ operation: { id, state: 'failed' }, sandbox: { id: sandboxId } });
});

test('an operation that settled between its writing and the waiting is looked at once', async () => {
  const operation = await submitStart(store);
  const { id } = operation;
  await settle(operation);
  const settled = await eventually('its settlement was heard', async () => {
    looks.length = 0;
    const waiting = settlements.wait({ id, ...SINCE_THEN }, { timeoutMs: 20_000 });
    const lookedAtOnce = looks.length === 1;
    return lookedAtOnce ? waiting : undefined;
  });
  expect(settled).toMatchObject({ operation: { id, state: 'failed' } });
});

test('an operation that may have settled before this process listened is looked at first', async () => {
  const operation = await submitStart(store);
  await settle(operation);
  const waiting = settlements.wait({ id: operation.id, createdAtMs: 1 }, { timeoutMs: 20_000 });
  expect(looks).toEqual([operation.id]);
  expect(await waiting).toMatchObject({ operation: { state: 'failed' } });
});
