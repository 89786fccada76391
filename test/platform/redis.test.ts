import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server } from 'node:net';
import type { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { isConfigError } from '../../src/platform/config-error.ts';
import { withoutPassword } from '../../src/platform/redact-url.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { sentinelOptions } from '../../src/platform/redis-address.ts';
import { checkRedisSafety } from '../../src/platform/redis-safety.ts';
import { eventually } from '../support/eventually.ts';
import { sharedRedisUrl, startTestRedis, type TestRedis } from '../support/redis.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function testRedis(options: { appendOnly?: boolean } = {}): Promise<TestRedis> {
  const server = await startTestRedis(options);
  cleanUps.push(server.stop);
  return server;
}

async function client(url: string, role: 'producer' | 'worker' = 'producer'): Promise<Redis> {
  const redis = await connectRedis(url, { role });
  cleanUps.push(() => redis.disconnect());
  return redis;
}

describe('connectRedis', () => {
  it('returns a client that is ready for either role', async () => {
    for (const role of ['producer', 'worker'] as const) {
      expect(await (await client(sharedRedisUrl(), role)).ping()).toBe('PONG');
    }
  });

  it('fails a producer command quickly while Redis is away', async () => {
    const server = await testRedis();
    const redis = await client(server.url);
    await redis.shutdown('NOSAVE').catch(() => {});
    const beganMs = performance.now();
    await expect(redis.set('key', 'value')).rejects.toThrow();
    expect(performance.now() - beganMs).toBeLessThan(1_000);
  });

  it('lets a worker command wait until Redis is back', async () => {
    const server = await testRedis();
    const relay = await startRelay(server.port);
    const redis = await client(`redis://127.0.0.1:${relay.port}`, 'worker');
    const lost = new Promise((resolve) => redis.once('close', resolve));
    await relay.cut();
    await lost;
    const waiting = redis.set('key', 'after the outage');
    await relay.mend();
    expect(await waiting).toBe('OK');
  });

  it('fails a producer command at once while Redis takes connections and says nothing', async () => {
    const server = await testRedis();
    const relay = await startRelay(server.port);
    const redis = await client(`redis://127.0.0.1:${relay.port}`);
    const lost = new Promise((resolve) => redis.once('close', resolve));
    await relay.cut();
    await lost;
    const silent = await relay.beSilent();
    await silent.connected;
    const beganMs = performance.now();
    await expect(redis.set('key', 'value')).rejects.toThrow();
    expect(performance.now() - beganMs).toBeLessThan(1_000);
  });

  it('names address and remedy, and not the password, when nobody answers', async () => {
    const port = await closedPort();
    const failed = connectRedis(`redis://user:hidden@127.0.0.1:${port}`, {
      role: 'worker',
      connectWithinMs: 200,
    });
    await expect(failed).rejects.toMatchObject({ code: 'store_unavailable', retryable: true });
    await expect(failed).rejects.toThrow(/127\.0\.0\.1.*ECONNREFUSED/);
    await expect(failed).rejects.not.toThrow(/hidden/);
  });

  it('waits for a Redis that comes up after it', async () => {
    const server = await testRedis();
    const relay = await startRelay(server.port);
    await relay.cut();
    let sawRefusal: (error: Error) => void = () => {};
    const refusal = new Promise<Error>((resolve) => {
      sawRefusal = resolve;
    });
    const address = `redis://127.0.0.1:${relay.port}`;
    const connecting = connectRedis(address, { role: 'producer', onAway: sawRefusal });
    expect((await refusal).message).toContain('ECONNREFUSED');
    await relay.mend();
    const redis = await connecting;
    cleanUps.push(() => redis.disconnect());
    expect(await redis.ping()).toBe('PONG');
  });

  it('is told once that Redis is away and once that it is back, however many tries fail in between', async () => {
    const server = await testRedis();
    const relay = await startRelay(server.port);
    const told: string[] = [];
    const redis = await connectRedis(`redis://127.0.0.1:${relay.port}`, {
      role: 'worker',
      onAway: () => told.push('away'),
      onBack: () => told.push('back'),
    });
    cleanUps.push(() => redis.disconnect());
    let failedTries = 0;
    redis.on('error', () => {
      failedTries += 1;
    });
    await relay.cut();
    await eventually('several tries failed', () => failedTries >= 3);
    expect(told).toEqual(['away']);
    await relay.mend();
    expect(await redis.ping()).toBe('PONG');
    await eventually('it was told', () => told.includes('back'));
    expect(told).toEqual(['away', 'back']);
  });

  it.each([
    ['no password', 'redis://127.0.0.1'],
    ['a wrong password', 'redis://:wrong@127.0.0.1'],
  ])('refuses at once with %s where one is needed', async (_case, address) => {
    const server = await testRedis();
    await (await client(server.url)).config('SET', 'requirepass', 'secret');
    const failed = connectRedis(`${address}:${server.port}`, { role: 'worker', connectWithinMs: 20_000 });
    await expect(failed).rejects.toSatisfy(isConfigError);
    await expect(failed).rejects.toThrow('refuses our credentials');
  });

  it('ends its waiting with the abort reason', async () => {
    const port = await closedPort();
    const stopping = new AbortController();
    const reason = new Error('shutting down');
    const onAway = () => stopping.abort(reason);
    const options = { role: 'worker', signal: stopping.signal, onAway } as const;
    await expect(connectRedis(`redis://127.0.0.1:${port}`, options)).rejects.toBe(reason);
    await expect(connectRedis(sharedRedisUrl(), options)).rejects.toBe(reason);
  });
});

describe('withoutPassword', () => {
  it.each([
    ['redis://user:secret@host:6379/2', 'redis://user:***@host:6379/2'],
    ['rediss://:secret@host', 'rediss://:***@host'],
    ['redis://host:6379', 'redis://host:6379'],
    ['redis://host:6379?db=1&password=secret', 'redis://host:6379?db=1&password=***'],
    ['secret that is no address', 'the given address'],
  ])('shows %s as %s', (url, shown) => {
    expect(withoutPassword(url)).toBe(shown);
  });
});

describe('checkRedisSafety', () => {
  it('accepts a Redis with an append-only file that never evicts', async () => {
    const redis = await client(sharedRedisUrl());
    expect(await checkRedisSafety(redis, { durability: 'aof' })).toEqual({ warnings: [] });
  });

  it.each(['allkeys-lru', 'volatile-lru', 'volatile-ttl', 'allkeys-random'])(
    'refuses the policy %s, whatever the durability',
    async (policy) => {
      const redis = await client((await testRedis()).url);
      await redis.config('SET', 'maxmemory-policy', policy);
      for (const durability of ['aof', 'managed'] as const) {
        const refused = checkRedisSafety(redis, { durability });
        await expect(refused).rejects.toThrow(policy);
        await expect(refused).rejects.toThrow('config set maxmemory-policy noeviction');
      }
    },
  );

  it('refuses a Redis without append-only file unless it is managed', async () => {
    const redis = await client((await testRedis({ appendOnly: false })).url);
    await expect(checkRedisSafety(redis, { durability: 'aof' })).rejects.toThrow('REDIS_DURABILITY=managed');
    expect(await checkRedisSafety(redis, { durability: 'managed' })).toEqual({ warnings: [] });
  });

  it('lists both faults of a Redis that has both', async () => {
    const redis = await client((await testRedis({ appendOnly: false })).url);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const problems = await checkRedisSafety(redis, { durability: 'aof' }).catch((error) => error.problems);
    expect(problems).toHaveLength(2);
  });

  it('warns where INFO is forbidden', async () => {
    const server = await testRedis();
    const admin = await client(server.url);
    await admin.acl('SETUSER', 'guest', 'on', '>secret', '~*', '+@all', '-info');
    const redis = await client(server.url);
    await redis.auth('guest', 'secret');
    const { warnings } = await checkRedisSafety(redis, { durability: 'aof' });
    expect(warnings.join(' ')).toMatch(/INFO.*maxmemory-policy.*append-only/);
  });

  it.each([
    ['5.0.14', 'refused'],
    ['6.0.5', 'refused'],
    ['6.0.6', 'with a warning'],
    ['6.1.99', 'with a warning'],
    ['6.2.0', 'accepted'],
    ['7.0.15', 'accepted'],
    ['10.0.0', 'accepted'],
  ])('takes version %s so: %s', async (version, verdict) => {
    const info = async () => `redis_version:${version}\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n`;
    const check = checkRedisSafety({ info } as unknown as Redis, { durability: 'aof' });
    if (verdict === 'refused') await expect(check).rejects.toThrow(version);
    else expect((await check).warnings).toHaveLength(verdict === 'accepted' ? 0 : 1);
  });
});

async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function listen(server: Server, port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** Passes bytes on to a Redis and can be cut and mended: an outage at one address. */
async function startRelay(target: number) {
  const sockets = new Set<{ destroy(): unknown }>();
  const create = () =>
    createServer((near) => {
      const far = connect({ host: '127.0.0.1', port: target });
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => [near, far].forEach((end) => void end.destroy()));
      }
      near.pipe(far);
      far.pipe(near);
    });
  /** Takes connections and never answers. */
  const beSilent = async () => {
    let sawConnection: () => void = () => {};
    const connected = new Promise<void>((resolve) => {
      sawConnection = resolve;
    });
    server = createServer((near) => {
      sockets.add(near);
      near.on('error', () => {});
      near.resume();
      sawConnection();
    });
    await listen(server, port);
    return { connected };
  };
  let server = create();
  const port = await listen(server);
  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  cleanUps.push(cut);
  return {
    port,
    cut,
    beSilent,
    mend: async () => {
      server = create();
      await listen(server, port);
    },
  };
}

it('Sentinels are read from one address, and its password is never printed', () => {
  const url = 'redis+sentinel://cmux:p%40ss@s1:26379,s2:26380/main';
  expect(sentinelOptions(url)).toEqual({
    sentinels: [
      { host: 's1', port: 26_379 },
      { host: 's2', port: 26_380 },
    ],
    name: 'main',
    username: 'cmux',
    password: 'p@ss',
  });
  expect(withoutPassword(url)).toBe('redis+sentinel://***@s1:26379,s2:26380/main');
});

it.each(['redis://s1:6379', 'redis+sentinel://s1:26379', 'redis+sentinel://s1/main', 'redis+sentinel://'])(
  '%s names no Sentinels',
  (url) => {
    expect(sentinelOptions(url)).toBeUndefined();
  },
);
