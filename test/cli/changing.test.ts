/** Commands that change sandboxes: what is asked before, what is seen meanwhile, and how the process ends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../api/support.ts';
import { PRESET } from '../support/system.ts';
import { cli } from './run.ts';

let api: TestApi;
let overHttp: Record<string, string>;
let overRedis: Record<string, string>;
beforeAll(async () => {
  api = await startTestApi();
  overHttp = { CMUX_LIFECYCLE_URL: api.url };
  const { redis, deployment } = api.test.options;
  overRedis = { REDIS_URL: redis.url, DEPLOYMENT: deployment };
});
afterAll(() => api.close());

async function start(...words: string[]): Promise<string> {
  const run = await cli(['start', '--preset', PRESET, '-o', 'json', ...words], overHttp);
  return (JSON.parse(run.out) as { id: string }).id;
}

describe.each([
  ['HTTP', () => overHttp],
  ['Redis', () => overRedis],
])('over %s', (_way, environment) => {
  it('a sandbox is led through its whole life', async () => {
    const started = await cli(
      ['start', '--preset', PRESET, '--team', 'blue', '--metadata', 'app=cmux', '-o', 'json'],
      environment(),
    );
    const sandbox = JSON.parse(started.out);
    expect(sandbox).toMatchObject({ state: 'running', teamId: 'blue', metadata: { app: 'cmux' } });
    expect(started).toMatchObject({ status: 0 });

    const paused = await cli(['pause', sandbox.id], environment());
    expect(paused.out).toMatch(/^state +paused$/m);
    expect(paused.out).toMatch(/^preservesRam +true$/m);
    const resumed = await cli(['resume', sandbox.id, '-o', 'json'], environment());
    expect(JSON.parse(resumed.out)).toMatchObject({ state: 'running', memoryKept: true });
    const destroyed = await cli(['destroy', sandbox.id, '--yes', '-o', 'json'], environment());
    expect(JSON.parse(destroyed.out)).toMatchObject({ state: 'destroyed' });
    const again = await cli(['destroy', sandbox.id, '--yes', '-o', 'json'], environment());
    expect(again.status).toBe(0);
  });

  it('two starts with one idempotency key are one', async () => {
    const words = ['start', '--preset', PRESET, '--idempotency-key', `key-${_way}`, '-o', 'json'];
    const [one, two] = [await cli(words, environment()), await cli(words, environment())];
    expect(JSON.parse(two.out).id).toBe(JSON.parse(one.out).id);
  });

  it('without waiting the operation is printed, and can be waited for later', async () => {
    const { status, out } = await cli(
      ['start', '--preset', PRESET, '--no-wait', '-o', 'json'],
      environment(),
    );
    const operation = JSON.parse(out);
    expect({ status, kind: operation.kind }).toEqual({ status: 0, kind: 'start' });
    const waited = await cli(['wait', operation.id, '-o', 'json'], environment());
    expect(JSON.parse(waited.out)).toMatchObject({ id: operation.sandboxId, state: 'running' });
  });
});

describe('destroy', () => {
  it('asks the person, and a no destroys nothing', async () => {
    const id = await start('--task-run', 'run-9');
    const refused = await cli(['destroy', id], overHttp, { answer: '' });
    expect(refused).toMatchObject({ status: 1, out: '' });
    expect(refused.err).toContain(
      `${id} (running on pve-vm, task run run-9): destroy its disk and memory for good?`,
    );
    expect((await api.test.producer.get(id)).state).toBe('running');

    expect(await cli(['destroy', id], overHttp, { answer: 'y' })).toMatchObject({ status: 0 });
    expect((await api.test.producer.get(id)).state).toBe('destroyed');
  });

  it('without a terminal and without --yes it is refused, with the remedy', async () => {
    const id = await start();
    const { status, err } = await cli(['destroy', id], overHttp);
    expect(status).toBe(2);
    expect(err).toContain('Add --yes.');
    expect((await api.test.producer.get(id)).state).toBe('running');
  });
});

describe('what cannot be done', () => {
  it('a pause that would lose memory ends with status 2, unless it was told that it may', async () => {
    const id = await start('--provider', 'pve-lxc');
    const { status, err } = await cli(['pause', id], overHttp);
    expect(status).toBe(2);
    expect(err).toContain('ram_snapshot_unsupported');
    const paused = await cli(['pause', id, '--without-memory', '-o', 'json'], overHttp);
    expect(JSON.parse(paused.out)).toMatchObject({ state: 'paused', preservesRam: false });
  });

  it('a start that no provider can serve ends with status 1 and names the operation', async () => {
    await api.test.simulators.pve.setDown(true);
    try {
      const failed = await cli(['start', '--preset', PRESET, '--no-fallback'], overHttp);
      expect(failed).toMatchObject({ status: 1, out: '' });
      expect(failed.err).toContain('no_provider_available');
      expect(failed.err).toMatch(/What was tried: cmux-lifecycle show op-\w+/);
    } finally {
      await api.test.simulators.pve.setDown(false);
    }
  });
});
