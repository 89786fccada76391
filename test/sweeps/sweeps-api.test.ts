import { afterAll, beforeAll, expect, test } from 'vitest';
import { sweepSchema, sweepsSchema } from '../../src/producers/http/sweep-schemas.ts';
import { startTestApi, type TestApi } from '../api/support.ts';
import { cli } from '../cli/run.ts';
import { eventually } from '../support/eventually.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

async function listed(name: string) {
  const { body } = await api.call('GET', '/v1/sweeps');
  return sweepsSchema.parse(body).sweeps.find((sweep) => sweep.name === name);
}

test('lists every sweep of this release with its schedule and its last run', async () => {
  const sweep = await eventually('a first run', async () => {
    const found = await listed('discard-condemned');
    return found?.lastRun && found;
  });
  expect(sweep).toMatchObject({ schedule: { everyMs: 250 }, mayPause: true, lastRun: { dryRun: false } });
});

test('pauses, shows who paused, and lets it go on', async () => {
  const paused = await api.call('POST', '/v1/sweeps/discard-condemned', { body: { action: 'pause' } });
  expect(paused.status).toBe(200);
  expect(sweepSchema.parse(paused.body).paused).toMatchObject({ by: 'test-admin' });
  const resumed = await api.call('POST', '/v1/sweeps/discard-condemned', { body: { action: 'resume' } });
  expect(sweepSchema.parse(resumed.body)).not.toHaveProperty('paused');
});

test.each(['run', 'dry-run'])(
  '%s is accepted at once, and what it did is found by its id',
  async (action) => {
    const { status, body } = await api.call('POST', '/v1/sweeps/discard-condemned', { body: { action } });
    expect(status).toBe(202);
    const run = await eventually('the run', async () =>
      (await listed('discard-condemned'))?.runs.find(({ runId }) => runId === body.runId),
    );
    expect(run).toMatchObject({ by: 'test-admin', dryRun: action === 'dry-run' });
  },
);

test('refuses an unknown sweep, an unknown action, a pause of the rescue, and tokens of one team', async () => {
  const post = (name: string, action: string, teamId?: string) =>
    api.call('POST', `/v1/sweeps/${name}`, {
      body: { action },
      as: { name: 'ops', role: 'operator', ...(teamId === undefined ? {} : { teamId }) },
    });
  expect((await post('nothing', 'run')).status).toBe(404);
  expect((await post('discard-condemned', 'stop')).status).toBe(400);
  expect((await post('rescue-operations', 'pause')).body.code).toBe('wrong_state');
  expect((await post('discard-condemned', 'run', 'team-1')).body.code).toBe('forbidden');
});

test.each([
  ['HTTP', () => ({ CMUX_LIFECYCLE_URL: api.url }), 'test-admin'],
  [
    'Redis',
    () => ({ REDIS_URL: api.test.options.redis.url, DEPLOYMENT: api.test.options.deployment }),
    'cli',
  ],
] as const)('the command line pauses, runs dry, lists and resumes over %s', async (_way, environment, by) => {
  const sweeps = (...words: string[]) => cli(['sweeps', ...words], environment());

  expect(await sweeps('pause', 'discard-condemned')).toMatchObject({ status: 0 });
  expect((await sweeps('list')).out).toContain(`paused by ${by}`);
  const ran = await sweeps('dry-run', 'discard-condemned', '-o', 'json');
  expect(JSON.parse(ran.out)).toMatchObject({ by, dryRun: true, counts: { submitted: 0 } });
  expect(await sweeps('resume', 'discard-condemned')).toMatchObject({ status: 0 });
  expect((await sweeps('list')).out).not.toContain('paused by');
  expect((await sweeps('run', 'nothing')).err).toContain('not_found');
});
