import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { findRedisBinary } from '../../src/platform/redis-binary.ts';
import { startRedisServer } from '../../src/platform/redis-server.ts';
import { eventually } from './eventually.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The one Redis of the whole run, started by `global-setup.ts`. */
    readonly redisUrl: string;
    /** Whether tests in a real browser can run; see `chromium.ts`. */
    readonly hasBrowser: boolean;
    /** Whether tests with a real Prometheus and its promtool can run; see `prometheus.ts`. */
    readonly hasPrometheus: boolean;
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

/** A Redis in cluster mode that has all slots, so that it serves a client that knows nothing of clusters. */
export async function startClusterNode(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-cluster-'));
  const port = await freePort();
  const stopServer = await spawnRedis(port, dataDir, [
    '--cluster-enabled',
    'yes',
    '--cluster-port',
    String(await freePort()),
  ]);
  const client = new Redis({ port, host: '127.0.0.1' });
  client.on('error', () => {
    // It connects again by itself until the server listens.
  });
  await client.cluster('ADDSLOTSRANGE', 0, 16_383);
  await eventually('the cluster is up', async () =>
    String(await client.cluster('INFO')).includes('cluster_state:ok'),
  );
  client.disconnect();
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      await stopServer();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Starts a server with settings that the product's own never has; returns what ends it. */
async function spawnRedis(
  port: number,
  dataDir: string,
  settings: readonly string[],
): Promise<() => Promise<void>> {
  const binary = findRedisBinary(process.env.PATH ?? '');
  if (binary === undefined) throw new Error('no redis-server: the global setup should have installed it');
  const common = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dataDir, '--save', ''];
  const server = spawn(binary, [...common, ...settings], { stdio: 'ignore' });
  const exited = once(server, 'exit');
  return async () => {
    server.kill('SIGKILL');
    await exited;
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
