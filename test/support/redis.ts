import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
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
    /** Where the command line is built, once for all files. */
    buildDir: string;
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

export interface SentinelRedis {
  /** `redis+sentinel://…` */
  readonly url: string;
  /** Kills the master for good; resolves once the replica has taken over. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

/** A master, its replica, and one Sentinel that watches them. */
export async function startSentinelRedis(): Promise<SentinelRedis> {
  const dataDir = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-sentinel-'));
  const [master, replica, sentinel] = [await freePort(), await freePort(), await freePort()];
  const folders = ['master', 'replica', 'sentinel'].map((name) => join(dataDir, name));
  await Promise.all(folders.map((folder) => mkdir(folder)));
  const [masterDir = '', replicaDir = '', sentinelDir = ''] = folders;
  const configuration = join(sentinelDir, 'sentinel.conf');
  await writeFile(
    configuration,
    [
      `sentinel monitor lifecycle 127.0.0.1 ${master} 1`,
      'sentinel down-after-milliseconds lifecycle 500',
      'sentinel failover-timeout lifecycle 2000',
    ].join('\n'),
  );
  const stopMaster = await spawnRedis(master, masterDir, ['--appendonly', 'yes']);
  const stops = [
    await spawnRedis(replica, replicaDir, [
      '--appendonly',
      'yes',
      '--replicaof',
      '127.0.0.1',
      String(master),
    ]),
  ];
  const asked = new Redis({ port: replica, host: '127.0.0.1' });
  asked.on('error', () => {
    // It connects again by itself until the server listens.
  });
  const replication = async () => await asked.info('replication');
  await eventually('the replica follows', async () =>
    (await replication()).includes('master_link_status:up'),
  );
  stops.push(await spawnRedis(sentinel, sentinelDir, [], [configuration, '--sentinel']));
  const watcher = new Redis({ port: sentinel, host: '127.0.0.1' });
  watcher.on('error', () => {
    // The same.
  });
  await eventually('the Sentinel knows the replica', async () => {
    const replicas = await watcher.call('SENTINEL', 'REPLICAS', 'lifecycle');
    return Array.isArray(replicas) && replicas.length === 1;
  });
  return {
    url: `redis+sentinel://127.0.0.1:${sentinel}/lifecycle`,
    async failOver() {
      await stopMaster();
      await eventually('the replica is the master', async () =>
        (await replication()).includes('role:master'),
      );
    },
    async stop() {
      asked.disconnect();
      watcher.disconnect();
      await Promise.all([stopMaster(), ...stops.map((stop) => stop())]);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Starts a server with settings that the product's own never has; returns what ends it. */
async function spawnRedis(
  port: number,
  dataDir: string,
  settings: readonly string[],
  first: readonly string[] = [],
): Promise<() => Promise<void>> {
  const binary = findRedisBinary(process.env.PATH ?? '');
  if (binary === undefined) throw new Error('no redis-server: the global setup should have installed it');
  const common = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dataDir, '--save', ''];
  const server = spawn(binary, [...first, ...common, ...settings], { stdio: 'ignore' });
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
