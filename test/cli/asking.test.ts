/** Commands that ask, over both transports: the same words, the same results, the same exit statuses. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../api/support.ts';
import { PRESET } from '../support/system.ts';
import { cli } from './run.ts';

let api: TestApi;
let sandboxId: string;
beforeAll(async () => {
  api = await startTestApi();
  const { id } = await api.test.producer.start({ preset: PRESET, taskRunId: 'run-7', teamId: 'blue' });
  sandboxId = id;
});
afterAll(() => api.close());

const WAYS: readonly [string, () => Record<string, string>][] = [
  ['HTTP', () => ({ CMUX_LIFECYCLE_URL: api.url })],
  ['Redis', () => ({ REDIS_URL: api.test.options.redis.url, DEPLOYMENT: api.test.options.deployment })],
];

describe.each(WAYS)('over %s', (_way, environment) => {
  it('list shows what has not ended, as a table or as JSON', async () => {
    const shown = await cli(['list'], environment());
    expect(shown).toMatchObject({ status: 0, err: '' });
    expect(shown.out).toContain(sandboxId);
    expect(shown.out).toMatch(/running +pve-vm/);

    // However narrow the terminal is, JSON is whole.
    const asJson = await cli(['list', '--team', 'blue', '-o', 'json'], environment(), { width: 40 });
    expect(JSON.parse(asJson.out).sandboxes).toMatchObject([
      { id: sandboxId, taskRunId: 'run-7', preset: PRESET },
    ]);
    const others = await cli(['-o', 'json', 'list', '--team', 'red'], environment());
    expect(JSON.parse(others.out).sandboxes).toEqual([]);
  });

  it('list says whether there are no sandboxes, or none that match', async () => {
    const elsewhere = await cli(['list'], {
      REDIS_URL: api.test.options.redis.url,
      DEPLOYMENT: 'nobody-here',
    });
    expect(elsewhere.out).toBe('No sandboxes.\n');
    const others = await cli(['list', '--team', 'red'], environment());
    expect(others).toMatchObject({ status: 0, out: 'No sandbox matches.\n' });
  });

  it('show tells everything of a sandbox and of the operation behind it', async () => {
    const sandbox = JSON.parse((await cli(['show', sandboxId, '-o', 'json'], environment())).out);
    expect(sandbox).toMatchObject({ id: sandboxId, state: 'running' });
    const operation = await cli(['show', sandbox.cause], environment());
    expect(operation.out).toMatch(/attempt 1 +succeeded on pve-vm/);
  });

  it('why tells who asked, and the history', async () => {
    const { out } = await cli(['why', sandboxId], environment());
    expect(out).toContain(`${sandboxId} is running since`);
    expect(out).toContain('operation.requested');
    expect(out).toMatch(/idleness \(\w+\): .*shadow mode would suspend it/);
    expect(out).toMatch(/T[\d:.]+Z {2}running: it began to run/);
  });

  it.each(['list', 'why', 'show', 'providers'])('%s fits a terminal of 80 columns', async (command) => {
    const words = ['why', 'show'].includes(command) ? [command, sandboxId] : [command];
    const { out } = await cli(words, environment(), { width: 80 });
    // Only an address may be longer: it stays whole, so that it can be copied.
    const tooLong = out.split('\n').filter((line) => line.length > 80 && !line.includes('http'));
    expect(tooLong).toEqual([]);
  });

  it('providers tells health and room', async () => {
    const { out } = await cli(['providers'], environment());
    expect(out).toMatch(/pve-vm +ok +closed +yes +[\d.]+ GiB/);
  });

  it('what does not exist ends with status 3, on stderr', async () => {
    const missing = await cli(['show', 'sbx-none'], environment());
    expect(missing).toMatchObject({ status: 3, out: '' });
    expect(missing.err).toContain('not_found: there is no sandbox sbx-none');
    const asJson = await cli(['show', 'sbx-none', '-o', 'json'], environment());
    expect(JSON.parse(asJson.err).error).toMatchObject({ code: 'not_found', retryable: false });
  });
});

describe('without a way to ask', () => {
  it('the message names both ways', async () => {
    const { status, err } = await cli(['list'], {});
    expect(status).toBe(2);
    expect(err).toContain('CMUX_LIFECYCLE_URL');
    expect(err).toContain('REDIS_URL and DEPLOYMENT');
  });

  it('a Redis without the name of the deployment is refused', async () => {
    const { status, err } = await cli(['list'], { REDIS_URL: 'redis://127.0.0.1:1' });
    expect(status).toBe(2);
    expect(err).toContain('DEPLOYMENT: it is missing');
  });

  it('an address that is none is refused', async () => {
    const { status, err } = await cli(['list'], { CMUX_LIFECYCLE_URL: 'lifecycle.example.com' });
    expect(status).toBe(2);
    // Nothing was to be started.
    expect(err).toMatch(/^The set-up cannot be used:\n {2}CMUX_LIFECYCLE_URL: this is no http address/);
  });

  it('a server that does not answer ends with status 6', async () => {
    const { status, err } = await cli(['list'], { CMUX_LIFECYCLE_URL: 'http://127.0.0.1:1' });
    expect(status).toBe(6);
    expect(err).toContain('api_unreachable');
  });

  it.each([['list'], ['sweeps list'], ['token list'], ['serve --role api']])(
    'a Redis that does not answer ends %s with status 6, too',
    { concurrent: true, timeout: 30_000 },
    async (command) => {
      const environment = { REDIS_URL: 'redis://user:hidden@127.0.0.1:1', DEPLOYMENT: 'away', PORT: '0' };
      const { status, err } = await cli(command.split(' '), environment);
      expect(err).toMatch(/store_unavailable: no answer from redis:\/\/user:\*\*\*@127\.0\.0\.1:1 within/);
      expect(err).toContain('redis-cli -u "$REDIS_URL" ping');
      expect(err).not.toContain('The set-up cannot be used');
      expect(status).toBe(6);
    },
  );
});

describe('wrong usage', () => {
  it.each([
    [['sing']],
    [['list', '--limit', '0']],
    [['list', '--state', 'asleep']],
    [['list', '--metadata', 'novalue']],
    [['list', '-o', 'xml']],
    [['show']],
  ])('%j ends with status 2 and says what is wrong', async (words) => {
    const { status, out, err } = await cli(words, { CMUX_LIFECYCLE_URL: api.url });
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^error: /);
  });

  it('help is no error', async () => {
    const { status, out } = await cli(['list', '--help']);
    expect(status).toBe(0);
    expect(out).toContain('--output <format>');
  });
});
