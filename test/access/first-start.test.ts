/** Who gets in when a server starts: decided by what hangs on it and from where it can be reached. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeAccess, type Http, type HttpConfig, startHttp } from '../../src/main/http.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { startTestSystem, type TestSystem } from '../support/system.ts';

let system: TestSystem;
const opened: Http[] = [];
beforeEach(async () => {
  system = await startTestSystem({ workers: false });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((http) => http.close()));
  await system.close();
});

function config(mode: 'local' | 'service', host = '127.0.0.1'): HttpConfig {
  const { deployment } = system.options;
  return { ...loadConfig({}), mode, deployment, http: { host, port: 0, trustProxy: false } };
}

async function open(settings: HttpConfig): Promise<Http> {
  const http = await startHttp(system.system, settings, pino({ level: 'silent' }));
  opened.push(http);
  return http;
}

test('with real providers the first start prints one login link, on loopback too, and the next none', async () => {
  const [first, second] = [await open(config('service')), await open(config('service'))];
  expect(first.loginLink).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/login\?code=[\w-]{43}$/);
  expect(describeAccess(first, config('service'))[0]).toContain(first.loginLink);
  expect(second).not.toHaveProperty('loginLink');
  expect((await fetch(`${first.url}/v1/sandboxes`)).status).toBe(401);

  const code = new URL(first.loginLink ?? '').searchParams.get('code') ?? '';
  const body = new URLSearchParams({ code });
  const login = await fetch(`${second.url}/login`, { method: 'POST', body, redirect: 'manual' });
  expect(login.status).toBe(303);
  const cookie = (login.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  expect((await fetch(`${second.url}/v1/sandboxes`, { headers: { cookie } })).status).toBe(200);
});

test('simulators on loopback are open, and it is said', async () => {
  const http = await open(config('local'));
  expect(http).not.toHaveProperty('loginLink');
  expect(describeAccess(http, config('local'))[0]).toContain('open: every user and program of this machine');
  expect((await fetch(`${http.url}/v1/sandboxes`)).status).toBe(200);
  expect(await (await fetch(http.url)).text()).toContain('Open access');
});

test('simulators that can be reached from elsewhere need tokens', async () => {
  const http = await open(config('local', '0.0.0.0'));
  expect(http.loginLink).toBeDefined();
  const { port } = new URL(http.url);
  expect((await fetch(`http://127.0.0.1:${port}/v1/sandboxes`)).status).toBe(401);
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  for (const path of [
    '/',
    '/queues',
    '/queues/api/queues',
    '/metrics',
    '/openapi.json',
    '/v1/tokens',
    '/v1/none',
  ]) {
    expect([path, (await fetch(`http://127.0.0.1:${port}${path}`)).status]).toEqual([path, 401]);
  }
});

test('the command line creates, lists and revokes tokens, and writes that down', async () => {
  const { options } = system;
  const env = { ...process.env, REDIS_URL: options.redis.url, DEPLOYMENT: options.deployment };
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, ['--import', 'tsx', 'src/main/cli.ts', 'token', ...args], { env });
  const secret = (await run('create', 'ci', '--role', 'viewer')).stdout.trim();
  expect(secret).toMatch(/^cml_[\w-]{43}$/);
  const list = (await run('list')).stdout;
  expect(list).toMatch(/ci\s.*viewer/);
  expect(list).not.toContain(secret);

  const http = await open(config('service'));
  const headers = { authorization: `Bearer ${secret}` };
  expect((await fetch(`${http.url}/v1/sandboxes`, { headers })).status).toBe(200);
  await run('revoke', 'ci');
  expect((await fetch(`${http.url}/v1/sandboxes`, { headers })).status).toBe(401);
  await expect(run('revoke', 'ci')).rejects.toThrow('there is no token named ci');
  env.REDIS_URL = '';
  await expect(run('list')).rejects.toThrow('REDIS_URL: it is missing');
  const { entries } = await system.system.store.audit.read({ limit: 5 });
  expect(entries).toMatchObject([
    { who: 'cli', what: 'token revoke ci' },
    { who: 'cli', what: 'token create ci --role viewer' },
  ]);
});
