/** `serve` in several processes on one Redis, as it is shipped, with simulators in the providers' place. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFetchClient } from '../../src/producers/fetch-client.ts';
import { type AsIfReal, startAsIfReal } from '../support/as-if-real.ts';
import { type BuiltCli, buildCli, type CliProcess } from '../support/built-cli.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { PRESET } from '../support/system.ts';

const SLOW = 120_000;

let built: BuiltCli;
let providers: AsIfReal;
let redis: TestRedis;
let shared: Record<string, string>;
beforeAll(async () => {
  built = buildCli();
  [providers, redis] = await Promise.all([startAsIfReal(), startTestRedis()]);
  shared = { REDIS_URL: redis.url, DEPLOYMENT: 'roles', HOST: '127.0.0.1', PORT: '0' };
}, SLOW);
afterAll(async () => {
  await built?.close();
  await redis?.stop();
  await providers?.close();
}, SLOW);

const worker = (): CliProcess =>
  built.start(['serve', '--role', 'workers'], {
    ...shared,
    ...providers.environment,
    SANDBOX_PRIMARY_PROVIDER: 'pve-vm',
    HEALTH_PORT: '0',
  });

describe('api and workers in processes of their own', () => {
  it('serve together; a killed worker is not missed; each stops cleanly', { timeout: SLOW }, async () => {
    const workers = [worker(), worker()] as const;
    await Promise.all(
      workers.map(({ untilPrinted }) => untilPrinted(/serves deployment "roles" as workers/)),
    );

    // Without a single credential of a provider.
    const api = built.start(['serve', '--role', 'api', '-o', 'json'], shared);
    const [line] = await api.untilPrinted(/^\{.*\}$/m);
    const { url, loginLink, role } = JSON.parse(line) as Record<string, string>;
    expect({ role, loginLink }).toEqual({ role: 'api', loginLink: expect.stringContaining('/login?code=') });

    const token = await created(shared);
    const client = createFetchClient({ baseUrl: url ?? '', token });
    const sandbox = await client.start({ preset: PRESET });
    expect(sandbox).toMatchObject({ state: 'running', provider: 'pve-vm', simulated: false });

    await workers[0].stop('SIGKILL');
    expect(await client.pause(sandbox.id)).toMatchObject({ state: 'paused', preservesRam: true });
    expect(await client.resume(sandbox.id)).toMatchObject({ state: 'running', memoryKept: true });
    expect(await client.destroy(sandbox.id)).toMatchObject({ state: 'destroyed' });

    expect(await Promise.all([workers[1].stop('SIGTERM'), api.stop('SIGTERM')])).toEqual([0, 0]);
  });

  async function created(environment: Record<string, string>): Promise<string> {
    const run = built.start(['token', 'create', 'test', '--role', 'operator'], environment);
    expect(await run.ended).toBe(0);
    return run.printed.out.trim();
  }

  it('a worker tells its health and its measures on a port of its own', { timeout: SLOW }, async () => {
    const process = worker();
    const [, url = ''] = await process.untilPrinted(/health +(http\S+)\/readyz/);
    const answers = await Promise.all(
      ['/healthz', '/readyz', '/metrics', '/v1/sandboxes'].map((path) => fetch(url + path)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 404]);
    expect(await answers[2]?.text()).toContain('lifecycle_store_up 1');
    expect(await process.stop('SIGTERM')).toBe(0);
  });
});

describe('what a role needs', () => {
  it.each(['api', 'workers'])('%s alone has no Redis of its own, and says what to give', async (role) => {
    const { ended, printed } = built.start(['serve', '--role', role], {});
    expect(await ended).toBe(2);
    expect(printed.err).toContain(`REDIS_URL: it is missing; the role ${role} shares a Redis`);
    expect(printed.err).toContain('DEPLOYMENT: it is missing');
  });

  it.each([
    ['PORT', ['serve', '--role', 'api']],
    ['HEALTH_PORT', ['serve', '--role', 'workers']],
  ])(
    'a port that something else holds is named by its setting: %s',
    { timeout: SLOW },
    async (setting, words) => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as { port: number };
      const { ended, printed } = built.start(words, {
        ...providers.environment,
        ...shared,
        [setting]: String(port),
      });
      expect(await ended).toBe(2);
      other.close();
      expect(printed.err).toContain(
        `${setting}: cannot listen on 127.0.0.1:${port}: something else listens there`,
      );
      expect(printed.out).toBe('');
    },
  );

  it('workers without a provider are refused', async () => {
    const { ended, printed } = built.start(['serve', '--role', 'workers'], shared);
    expect(await ended).toBe(2);
    expect(printed.err).toContain('no provider is enabled');
  });
});
