import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, test } from 'vitest';
import { DEFAULT_LEASE } from '../../src/store/store.ts';
import { launchChromium } from '../support/chromium.ts';
import { type FleetWorld, startFleetWorld } from './fleet-world.ts';

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };

let browser: Browser;
let world: FleetWorld;
beforeAll(async () => {
  [browser, world] = await Promise.all([
    launchChromium(),
    startFleetWorld({
      deployment: 'example',
      recovery: { lease: DEFAULT_LEASE, lockMs: 10_000, stalledCheckMs: 5_000 },
    }),
  ]);
  await age(world);
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

/** A fleet that has been there for a while. */
async function age({ test, sandboxes }: FleetWorld): Promise<void> {
  const { redis, keys } = test.system.store;
  const minutes = { running: 187, paused: 26, onMorph: 52, stuck: 9 } as const;
  for (const [name, ago] of Object.entries(minutes) as [keyof typeof minutes, number][]) {
    const thenMs = Date.now() - ago * 60_000;
    await redis.hset(keys.sandbox(sandboxes[name].id), { updatedAtMs: thenMs, createdAtMs: thenMs });
  }
}

async function openAs(role: keyof FleetWorld['tokens'], options: BrowserContextOptions): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage();
  await page.goto(world.http.url);
  await page.fill('#token', world.tokens[role]);
  await page.click('button[type=submit]');
  await page.waitForSelector('#sandboxes');
  return page;
}

async function shoot(page: Page, name: string, fullPage = true): Promise<void> {
  await page.screenshot({ path: `${IMAGES}${name}.png`, fullPage });
}

test.each([
  ['fleet-desktop-light', 'light', DESKTOP],
  ['fleet-desktop-dark', 'dark', DESKTOP],
  ['fleet-phone-light', 'light', PHONE],
  ['fleet-phone-dark', 'dark', PHONE],
] as const)('%s', async (name, colorScheme, options) => {
  const page = await openAs('admin', { ...options, colorScheme });
  await shoot(page, name);
  await page.context().close();
});

test('login', async () => {
  const page = await (await browser.newContext(DESKTOP)).newPage();
  await page.goto(world.http.url);
  await shoot(page, 'login');
  await page.context().close();
});

test('confirm', async () => {
  const page = await openAs('operator', DESKTOP);
  await page.click(`#destroy-${world.sandboxes.running.id}`);
  await page.waitForSelector('dialog[open]');
  await shoot(page, 'fleet-confirm-destroy', false);
  await page.context().close();
});

test('board', async () => {
  const page = await openAs('viewer', DESKTOP);
  await page.goto(`${world.http.url}/queues/queue/sandbox-pve-vm?status=failed`);
  await page.waitForSelector('text=/start sbx-/');
  await shoot(page, 'board-viewer', false);
  await page.context().close();
});
