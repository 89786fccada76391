/** `config`, and what happens to a configuration that cannot be used: all of it told, nothing started. */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL } from '../platform/config-case.ts';
import { type BuiltCli, buildCli } from '../support/built-cli.ts';
import { cli } from './run.ts';

describe('config check', () => {
  it('prints what the environment comes to, without its secrets', async () => {
    const { status, out } = await cli(['config', 'check'], ALL);
    expect(status).toBe(0);
    expect(out).toMatch(/^deployment +production$/m);
    expect(out).toMatch(/^routing\.primary +morph$/m);
    expect(out).toMatch(/^timing\.unknownHoldMs +10000$/m);
    expect(out).not.toMatch(/pve-secret|morph-secret|redis-secret/);
    const { out: json } = await cli(['config', 'check', '-o', 'json'], ALL);
    expect(JSON.parse(json)).toMatchObject({
      deployment: 'production',
      pve: { apiToken: 'cmux@pve!lifecycle=***' },
    });
    expect(json).not.toMatch(/pve-secret|morph-secret|redis-secret/);
  });

  it('tells warnings on stderr', async () => {
    const { err } = await cli(['config', 'check'], ALL);
    expect(err).toContain('warning: SANDBOX_PRESETS_FILE is not set');
  });

  it('as the role api it needs no provider', async () => {
    const environment = { REDIS_URL: 'redis://127.0.0.1:6379', DEPLOYMENT: 'production' };
    expect(await cli(['config', 'check', '--role', 'api'], environment)).toMatchObject({
      status: 0,
      err: '',
    });
    expect(await cli(['config', 'check'], environment)).toMatchObject({ status: 2 });
  });

  it('a bad one ends with status 2; as JSON its problems are data', async () => {
    const { status, err } = await cli(['config', 'check', '-o', 'json'], { PORT: 'none', LOG_LEVEL: 'loud' });
    expect(status).toBe(2);
    const { error } = JSON.parse(err);
    expect(error.problems.map(({ setting }: { setting: string }) => setting)).toEqual(['PORT', 'LOG_LEVEL']);
  });
});

it('config reference prints every setting, as Markdown or as data', async () => {
  expect((await cli(['config', 'reference'])).out).toContain('### `SANDBOX_PRIMARY_PROVIDER`');
  const groups = JSON.parse((await cli(['config', 'reference', '-o', 'json'])).out);
  expect(groups[0].settings[0]).toMatchObject({ name: 'DEPLOYMENT' });
});

describe('serve with wrong settings of every kind', () => {
  let built: BuiltCli;
  beforeAll(() => {
    built = buildCli();
  }, 120_000);
  afterAll(() => built.close());

  it('tells all of them in one message, and starts nothing', { timeout: 60_000 }, async () => {
    let reached = 0;
    const listener = createServer((socket) => {
      reached += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as { port: number };
    const wrong = {
      REDIS_URL: `redis://127.0.0.1:${port}`,
      DEPLOYMENT: 'Production!',
      SANDBOX_PROVIDER: 'docker',
      SANDBOX_ROLLOUT: 'pve-vm:many',
      SANDBOX_ROUTE_STAGING: 'morph',
      SANDBOX_FALBACK_PROVIDERS: 'morph',
      SANDBOX_PRESETS_FILE: '/nonexistent/presets.json',
      PROXMOX_USE_KVM: 'perhaps',
      PVE_API_URL: 'http://pve.example.com:8006',
      PVE_API_TOKEN: 'secret-without-shape',
      PVE_CA_FILE: '/nonexistent/ca.pem',
      PVE_VMID_RANGE: '30000-20000',
      LIFECYCLE_WEBHOOK_URL: 'https://example.com/hook',
      PORT: '70000',
      UNKNOWN_HOLD_MS: '600000',
      START_DEADLINE_MS: '1000',
    };
    const { ended, printed } = built.start(['serve'], wrong);
    expect(await ended).toBe(2);
    listener.close();

    const told = [...printed.err.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name);
    expect(new Set(told)).toEqual(
      new Set([
        ...Object.keys(wrong).filter(
          (name) => !['REDIS_URL', 'LIFECYCLE_WEBHOOK_URL', 'UNKNOWN_HOLD_MS'].includes(name),
        ),
        'LIFECYCLE_WEBHOOK_SECRET',
      ]),
    );
    const [heading = ''] = printed.err.split('\n');
    expect(heading).toBe(`The set-up cannot be used, ${told.length} problems:`);
    expect(printed.err.match(/^ {4}→ \S/gm)).toHaveLength(told.length);
    expect(printed.err).not.toContain('secret-without-shape');
    expect({ out: printed.out, reached, data: existsSync(join(built.folder, '.data')) }).toEqual({
      out: '',
      reached: 0,
      data: false,
    });
  });
});
