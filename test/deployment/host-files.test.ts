/** What is installed on a host by hand, checked by the programs that read it, where this machine has them. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SERVE_ROLES } from '../../src/platform/config.ts';

const run = promisify(execFile);
const UNIT = 'deploy/systemd/cmux-lifecycle@.service';
const CADDYFILE = 'deploy/caddy/Caddyfile';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-host-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

it.skipIf(!existsSync('/usr/bin/systemd-analyze'))('systemd finds nothing wrong with the unit', async () => {
  // Whether the program is at its place is not the unit's matter.
  const unit = readFileSync(UNIT, 'utf8').replaceAll('/usr/bin/node', process.execPath);
  const file = join(folder, 'cmux-lifecycle@workers.service');
  writeFileSync(file, unit);
  const { stdout, stderr } = await run('/usr/bin/systemd-analyze', ['verify', file]);
  const about = (stdout + stderr).split('\n').filter((line) => line.includes('cmux-lifecycle'));
  expect(about).toEqual([]);
});

it('the unit checks the configuration of its role before it serves, and is not root', () => {
  const unit = readFileSync(UNIT, 'utf8');
  expect(unit).toMatch(/^ExecStartPre=.* config check --role %i$/m);
  expect(unit).toMatch(/^ExecStart=.* serve --role %i$/m);
  expect(unit).toMatch(/^DynamicUser=yes$/m);
  for (const role of SERVE_ROLES) expect(unit).toContain(role);
});

it('the unit gives the ledger a folder that it may write', () => {
  const unit = readFileSync(UNIT, 'utf8');
  expect(unit).toMatch(/^ProtectSystem=strict$/m);
  const [, state] = /^StateDirectory=(.+)$/m.exec(unit) ?? [];
  expect(unit).toContain(`\nEnvironment=LEDGER_DIR=%S/${state}/ledger\n`);
});

it.skipIf(!existsSync('/usr/bin/caddy'))('caddy takes the Caddyfile', async () => {
  const { stderr } = await run(
    '/usr/bin/caddy',
    ['validate', '--adapter', 'caddyfile', '--config', CADDYFILE],
    {
      env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    },
  );
  expect(stderr).not.toContain('"level":"error"');
});

it('what Caddy stands in front of waits no longer for an answer than Caddy does', () => {
  const [, seconds] = /response_header_timeout (\d+)s/.exec(readFileSync(CADDYFILE, 'utf8')) ?? [];
  // The longest `?wait=` of the API.
  expect(Number(seconds)).toBeGreaterThan(90);
});
