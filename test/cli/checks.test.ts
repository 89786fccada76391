/** `doctor`, and what the command line promises of every command: JSON where it is asked for, and nothing else there. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { warningsOf } from '../../src/main/warnings.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { cli } from './run.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe('doctor', () => {
  it('prints what it saw of each provider as one JSON document, and its progress on stderr', async () => {
    const { status, out, err } = await cli(['doctor', '-o', 'json']);
    expect(status).toBe(0);
    const { fit, providers } = JSON.parse(out);
    expect(fit).toBe(true);
    expect(providers).toMatchObject([
      {
        provider: 'pve-vm',
        simulated: true,
        findings: expect.arrayContaining([{ verdict: 'ok', message: 'Proxmox VE 9.2.3 answers' }]),
      },
      { provider: 'pve-lxc', simulated: true },
      { provider: 'morph', simulated: true, findings: [{ verdict: 'ok', message: 'Morph Cloud answers' }] },
    ]);
    for (const { provider, apiUrl } of providers) expect(err).toContain(`${provider} at ${apiUrl}`);
  });

  it('says the same to people on stdout, and that nothing real was asked', async () => {
    const { out, err } = await cli(['doctor']);
    expect(err).toContain('simulators of its own');
    expect(out).toMatch(/^morph at \S+ \(simulated: no real machine\)\n {2}ok {6}Morph Cloud answers$/m);
  });

  it('a problem ends with status 1, as JSON too, with what to do about it', async () => {
    const environment = {
      REDIS_URL: 'redis://127.0.0.1:1',
      DEPLOYMENT: 'production',
      PVE_API_URL: 'http://127.0.0.1:1',
      PVE_API_TOKEN: 'cmux@pve!lifecycle=pve-secret',
      SANDBOX_FALLBACK_PROVIDERS: '',
    };
    const { status, out, err } = await cli(['doctor', '-o', 'json'], environment);
    expect(status).toBe(1);
    const { fit, providers } = JSON.parse(out);
    expect(fit).toBe(false);
    expect(providers[0].findings).toMatchObject([{ verdict: 'problem' }]);
    expect(err).toContain('warning: SANDBOX_PRESETS_FILE is not set');
    expect(out + err).not.toContain('pve-secret');
  });
});

describe('selftest', () => {
  it('tries the preset it is given, and says so', async () => {
    const { status, out } = await cli(['selftest', 'morph', '--preset', '6vcpu_8gb_32gb', '-o', 'json']);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ passed: true, preset: '6vcpu_8gb_32gb', simulated: true });
  });

  it('refuses one that cannot be started there, and names those that can', async () => {
    const { status, err } = await cli(['selftest', 'morph', '--preset', 'small']);
    expect(status).not.toBe(0);
    expect(err).toContain(
      'no preset named small has a source for morph; there is 4vcpu_8gb_32gb, 6vcpu_8gb_32gb',
    );
  });
});

describe('an .env that nobody has loaded', () => {
  const folderWith = (file: string) => {
    const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-env-'));
    folders.push(folder);
    writeFileSync(join(folder, file), '');
    return folder;
  };

  it('is told in local mode, with the line that loads it', () => {
    expect(warningsOf(loadConfig({}), folderWith('.env'))).toEqual([
      expect.stringContaining('set -a; . ./.env; set +a'),
    ]);
    expect(warningsOf(loadConfig({}), folderWith('env'))).toEqual([]);
  });

  it('is no matter once there are settings', () => {
    const environment = {
      REDIS_URL: 'redis://127.0.0.1',
      DEPLOYMENT: 'production',
      MORPH_API_KEY: 'key',
      SANDBOX_PRIMARY_PROVIDER: 'morph',
      SANDBOX_FALLBACK_PROVIDERS: '',
    };
    const config = loadConfig(environment);
    expect(warningsOf(config, folderWith('.env'))).toEqual(config.warnings);
  });
});

describe('wrong usage as JSON', () => {
  it.each([
    [['sing', '-o', 'json'], "unknown command 'sing'"],
    [['-o', 'json', 'list', '--state', 'asleep'], 'is invalid'],
    [['show', '-o', 'json'], "missing required argument 'id'"],
    [['demo', '--exit', '-o', 'json'], 'demo tells a story'],
  ])('%j is an error that a program can read', async (words, message) => {
    const { status, out, err } = await cli(words);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    const { error } = JSON.parse(err);
    expect(error).toMatchObject({ code: 'invalid_request', retryable: false });
    expect(error.message).toContain(message);
    expect(error.remediation).toMatch(/\w/);
  });

  it('to people it names the nearest command', async () => {
    expect((await cli(['lst'])).err).toBe(
      "error: unknown command 'lst'\n(Did you mean list?)\n(--help shows what can be given)\n",
    );
  });
});
