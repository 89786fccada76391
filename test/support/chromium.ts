/** A real browser for tests, where this machine has one or may install one. */
import { type Browser, chromium } from 'playwright-core';
import { ensureDebianTool } from './debian-tool.ts';

const CHROMIUM = '/usr/bin/chromium';

/** @returns why there is none; `undefined` when it is there */
export function ensureChromium(): Promise<string | undefined> {
  return ensureDebianTool(CHROMIUM, 'chromium');
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
