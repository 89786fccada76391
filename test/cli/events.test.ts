/** `events` over both transports: what was, what comes, and nothing missed in between. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAfter } from '../../src/main/events/event-source.ts';
import { startTestApi, type TestApi } from '../api/support.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET } from '../support/system.ts';
import { cli } from './run.ts';

let api: TestApi;
let sandboxId: string;
beforeAll(async () => {
  api = await startTestApi();
  sandboxId = (await api.test.producer.start({ preset: PRESET })).id;
});
afterAll(() => api.close());

const overHttp = () => ({ CMUX_LIFECYCLE_URL: api.url });
const overRedis = () => ({
  REDIS_URL: api.test.options.redis.url,
  DEPLOYMENT: api.test.options.deployment,
});

interface Line {
  readonly id: string;
  readonly type: string;
  readonly sandboxId: string;
}

function linesOf(out: string): readonly Line[] {
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

describe.each([
  ['HTTP', overHttp],
  ['Redis', overRedis],
])('over %s', (_way, environment) => {
  it('shows what has changed, and ends', async () => {
    const { status, out } = await cli(['events', '-o', 'json', '--sandbox', sandboxId], environment());
    expect(status).toBe(0);
    expect(linesOf(out).map(({ type }) => type)).toContain('operation.settled');
    const text = await cli(['events', '--sandbox', sandboxId], environment());
    expect(text.out).toMatch(/^\d+-\d+ {2}sbx-\w+ {2}\S+Z {2}operation\.requested/m);
  });

  it('shows nothing of a time in which nothing happened', async () => {
    const newest = linesOf((await cli(['events', '-o', 'json'], environment())).out).at(-1)?.id ?? '';
    expect(await cli(['events', '--after', newest], environment())).toMatchObject({ status: 0, out: '' });
  });

  it('follows what changes, until Ctrl-C, and says where to go on', async () => {
    const ctrlC = new AbortController();
    let seen = '';
    const following = cli(['events', '--follow', '--since', '1h', '-o', 'json'], environment(), {
      interruption: ctrlC.signal,
      onPrint: ({ out }) => {
        seen = out;
      },
    });
    await eventually('what was is shown', () => seen.includes('operation.settled'));
    const { id } = await api.test.producer.start({ preset: PRESET });
    await eventually('what changes is shown', () => seen.includes(id));
    ctrlC.abort();
    const { status, err, out } = await following;
    expect(status).toBe(130);
    const [, place = ''] = /--after (\d+-\d+)$/m.exec(err) ?? [];
    expect(place).toBe(linesOf(out).at(-1)?.id);
  });
});

it('a follower misses nothing while the server is away', async () => {
  const ctrlC = new AbortController();
  let [seen, told] = ['', ''];
  const following = cli(['events', '--follow', '--since', '1h', '-o', 'json'], overHttp(), {
    interruption: ctrlC.signal,
    onPrint: ({ out, err }) => {
      [seen, told] = [out, err];
    },
  });
  await eventually('it follows', () => seen.includes('operation.settled'));
  await api.restartServer();
  const { id } = await api.test.producer.start({ preset: PRESET });
  await eventually('it came back and shows what it missed', () =>
    linesOf(seen).some(({ sandboxId, type }) => sandboxId === id && type === 'operation.settled'),
  );
  ctrlC.abort();
  const ids = linesOf((await following).out).map((line) => line.id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every((place, at) => at === 0 || isAfter(place, ids[at - 1] ?? ''))).toBe(true);
  expect(told).not.toContain('no longer kept');
});

it.each([
  ['2-0', '1-9', true],
  ['10-2', '9-3', true],
  ['1-1', '1-1', false],
  ['1-10', '1-9', true],
  ['1-9', '2-0', false],
])('%s after %s: %s', (place, other, expected) => {
  expect(isAfter(place, other)).toBe(expected);
});

it.each([
  ['--since', 'soon'],
  ['--after', 'yesterday'],
])('events %s %s is refused', async (...words) => {
  expect((await cli(['events', ...words], overHttp())).status).toBe(2);
});
