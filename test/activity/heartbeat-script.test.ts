/** The script as it lies in templates, run by a real shell, against the API behind its access check. */
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Http, startHttp } from '../../src/main/http.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { createSecretBox } from '../../src/platform/secret-box.ts';
import { heartbeatTokenOf } from '../../src/producers/access/heartbeat-token.ts';
import { createTokens } from '../../src/producers/access/tokens.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

const SCRIPT = fileURLToPath(new URL('../../guest/heartbeat/cmux-lifecycle-heartbeat', import.meta.url));
const hasTools = ['curl', 'awk', 'sh'].every(
  (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0,
);
const run = promisify(execFile);

const secretsKey = randomBytes(32).toString('hex');
let system: TestSystem;
let http: Http;
let operator: string;
let sandboxId: string;
let other: string;

beforeAll(async () => {
  system = await startTestSystem({ secretsKey });
  const config = { ...loadConfig({}), deployment: system.options.deployment, secretsKey };
  http = await startHttp(system.system, { ...config, http: { ...config.http, port: 0 } }, system.options.log);
  const tokens = createTokens(system.system.store.access, Date.now);
  operator = (await tokens.create({ name: 'ops', role: 'operator' }, 'cli')).secret;
  [{ id: sandboxId }, { id: other }] = await Promise.all([
    system.producer.start({ preset: PRESET }),
    system.producer.start({ preset: PRESET }),
  ]);
});
afterAll(async () => {
  await http.close();
  await system.close();
});

async function beat(settings: Record<string, string>) {
  const file = join(await mkdtemp(join(tmpdir(), 'heartbeat-')), 'heartbeat.env');
  await writeFile(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(''),
  );
  return run('sh', [SCRIPT], { env: { PATH: process.env.PATH, HEARTBEAT_SETTINGS: file } });
}

async function post(path: string, token: string, body: unknown) {
  const reply = await fetch(`${http.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: reply.status, body: (await reply.json()) as { code?: string } };
}

const read = async (id: string) => (await system.system.store.activity.read([id], Date.now()))[0];
const QUIET = { agentProcesses: 0, loadPerCpu: 0, openConnections: 0 };

describe.skipIf(!hasTools)('the script', () => {
  test('says how the machine is, with the token that operators read', async () => {
    const secrets = await fetch(`${http.url}/v1/sandboxes/${sandboxId}/secrets`, {
      headers: { authorization: `Bearer ${operator}` },
    });
    const { secrets: given } = (await secrets.json()) as { secrets: { heartbeatToken: string } };
    const port = new URL(http.url).port;
    await beat({
      LIFECYCLE_URL: http.url,
      LIFECYCLE_SANDBOX: sandboxId,
      LIFECYCLE_TOKEN: given.heartbeatToken,
      // This very process is the agent, and the connection over which it speaks is one of the service's.
      HEARTBEAT_AGENTS: '^(curl|sh|node|vitest)',
      HEARTBEAT_PORTS: port,
    });
    const heartbeat = (await read(sandboxId))?.heartbeat;
    expect(heartbeat?.agentProcesses).toBeGreaterThan(0);
    expect(heartbeat?.loadPerCpu).toBeGreaterThanOrEqual(0);
    expect(heartbeat?.openConnections).toBeGreaterThanOrEqual(0);
    expect((await read(sandboxId))?.workSeenAtMs).toBeDefined();
  });

  test('does nothing in a template, which has no settings', async () => {
    expect(await beat({})).toMatchObject({ stdout: '', stderr: '' });
  });

  test('fails with what the API said when its token is another sandbox’s', async () => {
    const LIFECYCLE_TOKEN = heartbeatTokenOf(other, createSecretBox(secretsKey));
    const settings = { LIFECYCLE_URL: http.url, LIFECYCLE_SANDBOX: sandboxId, LIFECYCLE_TOKEN };
    await expect(beat(settings)).rejects.toMatchObject({ stderr: expect.stringContaining('403') });
  });
});

test('a heartbeat token is good for the heartbeats of its own sandbox and for nothing else', async () => {
  const token = heartbeatTokenOf(sandboxId, createSecretBox(secretsKey));
  expect((await post(`/v1/sandboxes/${sandboxId}/heartbeat`, token, QUIET)).status).toBe(200);
  for (const path of [
    `/v1/sandboxes/${other}/heartbeat`,
    `/v1/sandboxes/${sandboxId}/pause`,
    `/v1/sandboxes/${sandboxId}/activity`,
    '/v1/activity',
  ]) {
    expect((await post(path, token, QUIET)).status, path).toBe(403);
  }
  for (const path of ['/', '/queues', '/v1/sandboxes', `/v1/sandboxes/${sandboxId}`, '/metrics']) {
    const reply = await fetch(`${http.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    expect(reply.status, path).toBe(403);
  }
});

test('a token that somebody made up is nobody’s', async () => {
  const forged = heartbeatTokenOf(sandboxId, createSecretBox(randomBytes(32).toString('hex')));
  expect((await post(`/v1/sandboxes/${sandboxId}/heartbeat`, forged, QUIET)).status).toBe(401);
});

test('a heartbeat of nonsense is refused with what is wrong, and one of an ended sandbox with 404', async () => {
  const token = heartbeatTokenOf(sandboxId, createSecretBox(secretsKey));
  const path = `/v1/sandboxes/${sandboxId}/heartbeat`;
  expect((await post(path, token, { ...QUIET, loadPerCpu: -1 })).body.code).toBe('invalid_request');
  await system.producer.destroy(other);
  const ended = heartbeatTokenOf(other, createSecretBox(secretsKey));
  expect((await post(`/v1/sandboxes/${other}/heartbeat`, ended, QUIET)).status).toBe(404);
});
