/** A real browser for tests, where this machine has one or may install one. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';
/** A mirror on a slow line; a hang must not look like a failing test. */
const INSTALL_TIMEOUT_MS = 5 * 60_000;

/**
 * Installs Chromium where it is missing and this is root on a Debian.
 * @returns why there is none, for whoever wonders about skipped tests; `undefined` when it is there
 */
export async function ensureChromium(): Promise<string | undefined> {
  if (existsSync(CHROMIUM)) return undefined;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    return `no ${CHROMIUM}: install it ("apt-get install chromium") to run the tests in a browser`;
  }
  try {
    const run = promisify(execFile);
    await run('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], {
      timeout: INSTALL_TIMEOUT_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (error) {
    return `${CHROMIUM} could not be installed: ${String(error).split('\n')[0]}`;
  }
  return existsSync(CHROMIUM) ? undefined : `apt-get installed no ${CHROMIUM}`;
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
