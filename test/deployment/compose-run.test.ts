/**
 * docker-compose.yml carried out by hand: each service's command and environment, as the file has them, started as
 * processes, with simulators in the providers' place. Only addresses, ports and the folder of the data are others.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findRedisBinary } from '../../src/platform/redis-binary.ts';
import { createFetchClient, type FetchClient } from '../../src/producers/fetch-client.ts';
import { type AsIfReal, startAsIfReal } from '../support/as-if-real.ts';
import { type BuiltCli, buildCli, type CliProcess } from '../support/built-cli.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET } from '../support/system.ts';
import { interpolate, readCompose } from './compose.ts';

const SLOW = 120_000;
const { services } = readCompose();

let built: BuiltCli;
let providers: AsIfReal;
let redis: ChildProcess;
let redisPort: number;
let dataDir: string;
let api: CliProcess;
let url: string;
let workers: CliProcess[];
let client: FetchClient;

beforeAll(async () => {
  built = buildCli();
  providers = await startAsIfReal();
  redisPort = await freePort();
  dataDir = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-compose-'));
  const [, ...words] = services.redis?.command ?? [];
  const here = ['--port', String(redisPort), '--bind', '127.0.0.1', '--dir', dataDir];
  redis = spawn(findRedisBinary(process.env.PATH ?? '') ?? 'redis-server', [...words, ...here], {
    stdio: 'ignore',
  });

  workers = Array.from({ length: services.worker?.deploy.replicas ?? 0 }, () => start('worker'));
  await Promise.all(workers.map((worker) => worker.untilPrinted(/health +http/)));
  api = start('api');
  url = (await api.untilPrinted(/fleet +(http:\S+)/))[1]?.replace('0.0.0.0', '127.0.0.1') ?? '';
  const token = start('api', ['token', 'create', 'cmux', '--role', 'operator']);
  expect(await token.ended).toBe(0);
  client = createFetchClient({ baseUrl: url, token: token.printed.out.trim() });
}, SLOW);

afterAll(async () => {
  await built?.close();
  const gone = redis && once(redis, 'exit');
  redis?.kill();
  await gone;
  await providers?.close();
  rmSync(dataDir, { recursive: true, force: true });
}, SLOW);

/** A service's process, or with other words, as `docker compose exec` would start it. */
function start(name: 'api' | 'worker', words = services[name]?.command ?? []): CliProcess {
  return built.start(words, environmentOf(name));
}

function environmentOf(name: 'api' | 'worker'): Record<string, string> {
  // What the operator copied to .env, with what is its own.
  const { PVE_PUBLIC_DOMAIN: _unreachable, ...dotEnv } = parseEnv(
    readFileSync('examples/phase-2.env', 'utf8'),
  ) as Record<string, string>;
  const operator = { ...dotEnv, ...providers.environment };
  const { env_file: files, environment = {} } = services[name] ?? {};
  const { SANDBOX_PRESETS_FILE, LEDGER_DIR, ...given } = {
    ...(files ? operator : {}),
    ...interpolate(environment, operator),
  } as Record<string, string>;
  return {
    ...given,
    ...(LEDGER_DIR ? { LEDGER_DIR: ledgerDir() } : {}),
    ...(SANDBOX_PRESETS_FILE ? { SANDBOX_PRESETS_FILE: operator.SANDBOX_PRESETS_FILE ?? '' } : {}),
    REDIS_URL: (given.REDIS_URL ?? '').replace('redis:6379', `127.0.0.1:${redisPort}`),
    ...('PORT' in environment ? { PORT: '0' } : { HEALTH_PORT: '0' }),
  };
}

/** In the place of the volume. */
function ledgerDir(): string {
  return join(dataDir, 'ledger');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

describe('the installation of docker-compose.yml', () => {
  it('prints one login link at its first start, this once', { timeout: SLOW }, async () => {
    expect(api.printed.out.match(/\/login\?code=/g)).toHaveLength(1);
    const again = start('api');
    await again.untilPrinted(/fleet +http/);
    expect(again.printed.out).not.toContain('/login?code=');
    expect(await again.stop('SIGTERM')).toBe(0);
  });

  it('starts, keeps and destroys sandboxes, also while a worker is killed', { timeout: SLOW }, async () => {
    const first = await client.start({ preset: PRESET, workloadType: 'dev' });
    expect(first).toMatchObject({ state: 'running', provider: 'pve-vm' });
    const starting = client.start({ preset: PRESET, workloadType: 'prod' });
    await workers[0]?.stop('SIGKILL');
    const second = await starting;
    expect(second).toMatchObject({ state: 'running', provider: 'morph' });

    // As `restart: unless-stopped` would.
    workers[0] = start('worker');
    await workers[0].untilPrinted(/health +http/);
    expect(await client.destroy(first.id)).toMatchObject({ state: 'destroyed' });
    expect(await client.destroy(second.id)).toMatchObject({ state: 'destroyed' });
    expect((await client.list()).sandboxes).toEqual([]);
  });

  it('keeps the ledger in its volume', { timeout: SLOW }, async () => {
    const kept = await eventually('the first intervals are written', () => {
      const files = existsSync(ledgerDir()) ? readdirSync(ledgerDir()) : [];
      return files.some((file) => file.endsWith('.jsonl')) ? files : undefined;
    });
    expect(kept).toContain('open.json');
  });

  it('each health check tells a process that is ready from one that is not', { timeout: SLOW }, async () => {
    const [, workerUrl = ''] = await (workers[1] as CliProcess).untilPrinted(/health +(http\S+)\/readyz/);
    const ports = [new URL(url).port, new URL(workerUrl).port, String(await freePort())];
    for (const service of ['api', 'worker']) {
      expect(services[service]?.healthcheck.test.slice(0, 3)).toEqual([
        'CMD',
        'node',
        'dist/main/health-check.js',
      ]);
    }
    expect(await Promise.all(ports.map(checkHealth))).toEqual([0, 0, 1]);
  });

  it('stops in time when it is told to', { timeout: SLOW }, async () => {
    expect(await Promise.all([api, ...workers].map((process) => process.stop('SIGTERM')))).toEqual([0, 0, 0]);
  });
});

async function checkHealth(port: string): Promise<number> {
  const script = join(built.folder, 'dist/main/health-check.js');
  const child = spawn(process.execPath, [script, port], { stdio: 'ignore' });
  const [status] = (await once(child, 'exit')) as [number];
  return status;
}
