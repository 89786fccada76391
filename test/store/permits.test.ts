import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Permits } from '../../src/core/ports.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { createPermits } from '../../src/store/permits.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';

let store: Store;
let permits: Permits;
let woken: string[];
beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  store = createStore(redis, randomPrefix());
});
afterAll(() => store.redis.disconnect());
beforeEach(() => {
  woken = [];
  permits = createPermits(store, async (operationId) => woken.push(operationId) > 0);
});

let unique = 0;
function want(limit = 1) {
  unique += 1;
  return { name: `template:${unique}`, limit };
}

test('a permit is granted up to its limit, and again to who holds it', async () => {
  const template = want(2);
  for (const holder of ['a', 'b', 'a']) {
    expect(await permits.take(holder, [template])).toEqual({ granted: true, name: template.name });
  }
  expect(await permits.take('c', [template])).toMatchObject({ granted: false, place: 1 });
});

test('a permit that is given back goes straight to who waited longest, and nobody overtakes', async () => {
  const template = want();
  await permits.take('a', [template]);
  expect(await permits.take('b', [template])).toMatchObject({ granted: false, place: 1 });
  expect(await permits.take('c', [template])).toMatchObject({ granted: false, place: 2 });
  await permits.release('a', template.name);
  expect(woken).toEqual(['b']);
  expect(await permits.take('d', [template])).toMatchObject({ granted: false });
  expect(await permits.take('b', [template])).toMatchObject({ granted: true });
  await permits.release('b', template.name);
  expect(woken).toEqual(['b', 'c']);
});

test('one of several alternatives is enough, and what was handed over besides goes on to the next', async () => {
  const [one, two] = [want(), want()];
  await permits.take('a', [one, two]);
  await permits.take('b', [one, two]);
  await permits.take('c', [one, two]);
  await permits.take('d', [one, two]);
  await permits.release('a', one.name);
  await permits.release('b', two.name);
  // Both came to c, who was first in both lines; it keeps one, and d gets the other.
  expect(await permits.take('c', [one, two])).toEqual({ granted: true, name: one.name });
  expect(await permits.take('d', [one, two])).toEqual({ granted: true, name: two.name });
});

test('who waits is told who has held longest, and what for', async () => {
  const template = want();
  await permits.take('a', [template]);
  await permits.note('a', template.name, 'UPID:pve1:…');
  const answer = await permits.take('b', [template]);
  expect(answer).toMatchObject({
    granted: false,
    oldest: { name: template.name, holder: 'a', note: 'UPID:pve1:…' },
  });
});

test('releasing what one does not hold changes nothing', async () => {
  const template = want();
  await permits.take('a', [template]);
  await permits.take('b', [template]);
  await permits.release('b', template.name);
  expect(woken).toEqual([]);
  expect(await permits.take('c', [template])).toMatchObject({ granted: false });
});
