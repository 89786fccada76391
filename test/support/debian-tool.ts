/** Programs that tests want and npm does not bring, where this machine has them or may install them. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/** A mirror on a slow line; a hang must not look like a failing test. */
const INSTALL_TIMEOUT_MS = 5 * 60_000;

/**
 * Installs a Debian package where its binary is missing and this is root on a Debian.
 * @returns why there is none, for whoever wonders about skipped tests; `undefined` when it is there
 */
export async function ensureDebianTool(binary: string, packageName: string): Promise<string | undefined> {
  if (existsSync(binary)) return undefined;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    return `no ${binary}: install it ("apt-get install ${packageName}")`;
  }
  try {
    const run = promisify(execFile);
    await run('apt-get', ['install', '-y', '--no-install-recommends', packageName], {
      timeout: INSTALL_TIMEOUT_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (error) {
    return `${binary} could not be installed: ${String(error).split('\n')[0]}`;
  }
  return existsSync(binary) ? undefined : `apt-get installed no ${binary}`;
}
