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
    /** Whether tests in a real browser can run; see `chromium.ts`. */
    readonly hasBrowser: boolean;
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
  /** Ends the server and keeps its data, for `comeBack`. */
  goAway(): Promise<void>;
  /** The same data at the same port again. */
  comeBack(): Promise<void>;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

/** A Redis of the test's own, for tests that stop it, fill it or change its settings. */
export async function startTestRedis(options: { readonly appendOnly?: boolean } = {}): Promise<TestRedis> {
  const binary = findRedisBinary(process.env.PATH ?? '');
  if (binary === undefined) throw new Error('no redis-server: the global setup should have installed it');
  const dataDir = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-redis-'));
  const appendOnly = options.appendOnly ?? true;
  let server = await startRedisServer({ binary, dataDir, appendOnly });
  const { port } = server;
  return {
    url: server.url,
    port: server.port,
    dataDir,
    goAway: () => server.stop(),
    async comeBack() {
      server = await startRedisServer({ binary, dataDir, appendOnly, port });
    },
    async stop() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
