import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { findRedisBinary } from '../../src/platform/redis-binary.ts';
import { startRedisServer } from '../../src/platform/redis-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The one Redis of the whole run, started by `global-setup.ts`. */
    readonly redisUrl: string;
  }
}

/** The Redis that all tests of the run share: keep to a prefix of your own and never flush it. */
export function sharedRedisUrl(): string {
  return inject('redisUrl');
}

/** A prefix nobody else uses, in the shape of a deployment's hash tag. */
export function randomPrefix(): string {
  return `{test-${randomBytes(6).toString('hex')}}`;
}

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

/** A Redis of the test's own, for tests that stop it, fill it or change its settings. */
export async function startTestRedis(options: { readonly appendOnly?: boolean } = {}): Promise<TestRedis> {
  const binary = findRedisBinary(process.env.PATH ?? '');
  if (binary === undefined) throw new Error('no redis-server: the global setup should have installed it');
  const dataDir = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-redis-'));
  const server = await startRedisServer({ binary, dataDir, appendOnly: options.appendOnly ?? true });
  return {
    url: server.url,
    port: server.port,
    dataDir,
    async stop() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
