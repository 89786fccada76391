import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { type CostsWorld, startCostsWorld } from './costs-world.ts';

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const DESKTOP = { viewport: { width: 1280, height: 800 } };

let browser: Browser;
let world: CostsWorld;
/** Of its own: the other pages' deployment has the same name, and lies in the shared one. */
let redis: TestRedis;
beforeAll(async () => {
  [browser, redis] = await Promise.all([launchChromium(), startTestRedis()]);
  world = await startCostsWorld({ deployment: 'example', redisUrl: redis.url });
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
  await redis?.stop();
});

async function openCosts(options: BrowserContextOptions): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage();
  await page.goto(`${world.http.url}/costs`);
  await page.fill('#token', world.tokens.operator);
  await page.click('button[type=submit]');
  await page.waitForSelector('.chart canvas');
  return page;
}

test.each([
  ['costs-desktop-light', 'light', DESKTOP],
  ['costs-desktop-dark', 'dark', DESKTOP],
] as const)('%s', async (name, colorScheme, options) => {
  const page = await openCosts({ ...options, colorScheme });
  await page.screenshot({ path: `${IMAGES}${name}.png`, fullPage: true });
  await page.context().close();
});

test('board-costs', async () => {
  const page = await openCosts(DESKTOP);
  await page.goto(`${world.http.url}/queues/queue/sandbox-pve-vm`);
  await page.waitForSelector('text=/this month/');
  await page.screenshot({ path: `${IMAGES}board-costs.png`, clip: { x: 0, y: 0, width: 1280, height: 300 } });
  await page.context().close();
});
