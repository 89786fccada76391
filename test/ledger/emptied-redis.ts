/** A Redis of the file's own, empty before each test, and a folder for the ledger's files that goes with the test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { connectRedis } from '../../src/platform/redis.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';

export interface EmptiedRedis {
  readonly store: Store;
  readonly folder: string;
}

/** @param begin told before each test */
export function useEmptiedRedis(begin: (own: EmptiedRedis) => void): void {
  let server: TestRedis;
  let store: Store;
  beforeAll(async () => {
    server = await startTestRedis();
    store = createStore(await connectRedis(server.url, { role: 'worker' }), 'emptied');
  });
  afterAll(async () => {
    store.redis.disconnect();
    await server.stop();
  });
  beforeEach(async () => {
    await store.redis.flushall();
    const folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-emptied-'));
    begin({ store, folder });
    return () => rm(folder, { recursive: true, force: true });
  });
}
