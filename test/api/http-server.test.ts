import { expect, test } from 'vitest';
import { startHttpServer } from '../../src/dashboard/http-server.ts';

const app = { fetch: () => new Response('here') };

const problemOf = (host: string, port: number) =>
  startHttpServer(app, { host, port, setting: 'HEALTH_PORT' }).then(
    () => undefined,
    ({ problems }) => problems,
  );

test.each([
  // RFC 5737: an address for documents, which no machine has.
  ['an address that is not of this machine', '192.0.2.1', 'no such address'],
  // RFC 2606: a name that never resolves.
  ['a name that does not resolve', 'nowhere.invalid', 'does not resolve'],
])('%s is told as HOST, with an address that would do', async (_case, host, why) => {
  expect(await problemOf(host, 0)).toEqual([
    {
      setting: 'HOST',
      problem: expect.stringMatching(`^cannot listen on ${host}:0: .*${why}`),
      remedy: expect.stringContaining('127.0.0.1'),
    },
  ]);
});

test('a port that something else holds is told as its setting, with how to take a free one', async () => {
  const first = await startHttpServer(app, { host: '127.0.0.1', port: 0 });
  const port = Number(new URL(first.url).port);
  expect(await problemOf('127.0.0.1', port)).toMatchObject([
    { setting: 'HEALTH_PORT', remedy: expect.stringContaining('HEALTH_PORT=0') },
  ]);
  await first.close();
});
