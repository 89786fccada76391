import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { findRedisBinary } from '../../src/platform/redis-binary.ts';
import { askRedis } from '../../src/platform/redis-ping.ts';
import { type RedisServer, startRedisServer } from '../../src/platform/redis-server.ts';

const binary = findRedisBinary(process.env.PATH ?? '') ?? '';
const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-test-'));
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function start(dataDir: string, appendOnly = true, port?: number): Promise<RedisServer> {
  const server = await startRedisServer({ binary, dataDir, appendOnly, ...(port && { port }) });
  cleanUps.push(server.stop);
  return server;
}

async function set(url: string, key: string, value: string): Promise<void> {
  const redis = new Redis(url);
  await redis.set(key, value);
  await redis.quit();
}

async function get(url: string, key: string): Promise<string | null> {
  const redis = new Redis(url);
  const value = await redis.get(key);
  await redis.quit();
  return value;
}

describe('startRedisServer', () => {
  it('answers as soon as the promise resolves, on loopback only', async () => {
    const server = await start(await dataFolder());
    expect(await askRedis(server.port, ['PING'])).toContain('+PONG');
    expect(await askRedis(server.port, ['CONFIG', 'GET', 'bind'])).toMatch(/\r\n127\.0\.0\.1\r\n/);
  });

  it('keeps data over a restart with an append-only file, and nothing without', async () => {
    for (const [appendOnly, kept] of [
      [true, 'yes'],
      [false, null],
    ] as const) {
      const folder = await dataFolder();
      const first = await start(folder, appendOnly);
      await set(first.url, 'kept', 'yes');
      await first.stop();
      const second = await start(folder, appendOnly);
      expect(await get(second.url, 'kept')).toBe(kept);
    }
  });

  it('brings back every answered write after a SIGKILL when it syncs before it answers', async () => {
    const folder = await dataFolder();
    const options = { binary, dataDir: folder, appendOnly: true, syncAlways: true };
    const first = await startRedisServer(options);
    expect(await askRedis(first.port, ['CONFIG', 'GET', 'appendfsync'])).toContain('always');
    const redis = new Redis(first.url);
    redis.on('error', () => undefined);
    await redis.set('kept', 'yes');
    await first.kill();
    redis.disconnect();
    const second = await start(folder);
    expect(await get(second.url, 'kept')).toBe('yes');
  });

  it('forgets what an earlier server left when asked to, but not what a running one holds', async () => {
    const folder = await dataFolder();
    const first = await start(folder);
    await set(first.url, 'kept', 'yes');
    await dateLockBack(folder);
    const options = { binary, dataDir: folder, appendOnly: true, fresh: true };
    await expect(startRedisServer(options)).rejects.toThrow('in use');
    expect(await get(first.url, 'kept')).toBe('yes');
    await first.stop();
    const second = await startRedisServer(options);
    cleanUps.push(second.stop);
    expect(await get(second.url, 'kept')).toBeNull();
  });

  it('waits until a large data set is loaded', async () => {
    const folder = await dataFolder();
    const first = await start(folder);
    const redis = new Redis(first.url);
    await redis.eval("for i = 1, 300000 do redis.call('SET', 'key' .. i, 'value') end", 0);
    await redis.quit();
    await first.stop();
    const second = await start(folder);
    expect(await askRedis(second.port, ['DBSIZE'])).toContain(':300000');
  });

  it('never evicts', async () => {
    const server = await start(await dataFolder());
    expect(await askRedis(server.port, ['CONFIG', 'GET', 'maxmemory-policy'])).toContain('noeviction');
  });

  it('refuses a folder that a running Redis uses, and names the command that stops it', async () => {
    const folder = await dataFolder();
    const first = await start(folder);
    await dateLockBack(folder);
    await expect(start(folder)).rejects.toThrow(`redis-cli -p ${first.port} shutdown`);
    expect(await askRedis(first.port, ['PING'])).toContain('+PONG');
  });

  it('lets one of two starts on one folder win when both begin at once', async () => {
    const folder = await dataFolder();
    const outcomes = await Promise.allSettled([start(folder), start(folder)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('uses a folder again once its Redis was stopped', async () => {
    const folder = await dataFolder();
    await (await start(folder)).stop();
    const second = await start(folder);
    expect(await askRedis(second.port, ['PING'])).toContain('+PONG');
  });

  it.each([
    ['names a process that is gone', JSON.stringify({ ownerPid: 2 ** 22 + 1, port: 1 })],
    [
      'names a living process but a port where no Redis uses the folder',
      JSON.stringify({ ownerPid: 1, port: 1 }),
    ],
    ['is cut short', '{"ownerPid":'],
  ])('takes a folder over whose lock file %s', async (_case, text) => {
    const folder = await dataFolder();
    await writeFile(join(folder, 'redis-server.lock'), text);
    await dateLockBack(folder);
    const server = await start(folder);
    expect(await askRedis(server.port, ['PING'])).toContain('+PONG');
  });

  it('says what Redis said when it cannot start, and leaves the folder free', async () => {
    const folder = await dataFolder();
    const broken = join(folder, 'broken-redis');
    await writeFile(broken, '#!/bin/sh\necho "this binary is broken"\nexit 1\n');
    await chmod(broken, 0o755);
    const failed = startRedisServer({ binary: broken, dataDir: folder, appendOnly: true });
    await expect(failed).rejects.toThrow('this binary is broken');
    await start(folder);
  });

  it('refuses a given port that another Redis holds instead of using that one', async () => {
    const first = await start(await dataFolder());
    await expect(start(await dataFolder(), true, first.port)).rejects.toThrow('Address already in use');
  });

  it('may be stopped twice', async () => {
    const server = await start(await dataFolder());
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    expect(await askRedis(server.port, ['PING'])).toBe('');
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('ends with its parent after %s, its data kept', async (signal) => {
    const folder = await dataFolder();
    const { child, port } = await startInOtherProcess(folder);
    await set(`redis://127.0.0.1:${port}`, 'kept', signal);
    child.kill(signal);
    await vi.waitFor(async () => expect(await askRedis(port, ['PING'])).toBe(''), { timeout: 10_000 });
    const next = await start(folder);
    expect(await get(next.url, 'kept')).toBe(signal);
  });

  it('waits for a Redis whose owner was just killed instead of refusing its folder', async () => {
    const folder = await dataFolder();
    const { child } = await startInOtherProcess(folder);
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    const next = await start(folder);
    expect(await askRedis(next.port, ['PING'])).toContain('+PONG');
  });

  it('does not keep its parent alive', async () => {
    const folder = await dataFolder();
    const { child } = await startInOtherProcess(folder, '');
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(0);
  });
});

/** As time would do it: a young one counts as a start that is under way. */
async function dateLockBack(folder: string): Promise<void> {
  const minuteAgoS = Date.now() / 1000 - 60;
  await utimes(join(folder, 'redis-server.lock'), minuteAgoS, minuteAgoS);
}

async function startInOtherProcess(dataDir: string, then = 'setInterval(() => {}, 1000);') {
  const module = fileURLToPath(new URL('../../src/platform/redis-server.ts', import.meta.url));
  const script = `
    const { startRedisServer } = await import(${JSON.stringify(module)});
    const server = await startRedisServer(${JSON.stringify({ binary, dataDir, appendOnly: true })});
    process.stdout.write(server.port + '\\n');
    ${then}`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  });
  cleanUps.push(async () => child.kill('SIGKILL'));
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
    child.once('exit', () => reject(new Error('the other process ended before it said its port')));
  });
  return { child, port };
}
