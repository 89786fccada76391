/** The costs page in a real browser: charts, keyboard, paper, small screens, and no JavaScript. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { type CostsWorld, startCostsWorld } from './costs-world.ts';

const PHONE = { width: 390, height: 844 };

describe.skipIf(!inject('hasBrowser'))('the costs page in a browser', () => {
  let browser: Browser;
  let world: CostsWorld;
  beforeAll(async () => {
    [browser, world] = await Promise.all([launchChromium(), startCostsWorld()]);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await world?.close();
  });

  async function open(options: BrowserContextOptions = {}): Promise<{ page: Page; complaints: string[] }> {
    const page = await (await browser.newContext(options)).newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(`${world.http.url}/costs`);
    await page.fill('#token', world.tokens.operator);
    await page.click('button[type=submit]');
    await page.waitForSelector('#days', { state: 'attached' });
    return { page, complaints };
  }

  test('draws its charts from the tables, and no policy is broken', async () => {
    const { page, complaints } = await open();
    await page.waitForSelector('.chart canvas');
    expect(await page.locator('.chart canvas').count()).toBe(2);
    // Something was drawn where the bars are, and it is not one colour.
    const colours = await page.evaluate(`(() => {
      const canvas = document.querySelector('[data-chart=by-day] canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    })()`);
    expect(colours).toBeGreaterThan(10);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test('a table that was opened by keyboard stays open and keeps the focus when the page refreshes', async () => {
    const { page } = await open();
    await page.waitForSelector('.chart canvas');
    await page.focus('#days-details summary');
    await page.keyboard.press('Enter');
    expect(await page.locator('#days').isVisible()).toBe(true);
    await page.evaluate("document.querySelector('.chart canvas').id = 'old'");
    // Switched on again it asks at once, instead of in 15 s.
    await page.locator('#live-toggle').evaluate((toggle: { click(): void }) => {
      toggle.click();
      toggle.click();
    });
    await eventually('it was drawn anew', async () => (await page.locator('canvas#old').count()) === 0);
    expect(await page.locator('.chart canvas').count()).toBe(2);
    expect(await page.locator('#days').isVisible()).toBe(true);
    expect(await page.locator(':focus').getAttribute('id')).toBe('days-summary');
    await page.context().close();
  });

  test('on paper every table is open and nothing is clicked', async () => {
    const { page } = await open();
    await page.waitForSelector('.chart canvas');
    await page.emulateMedia({ media: 'print' });
    await page.evaluate("dispatchEvent(new Event('beforeprint'))");
    expect(await page.locator('#days').isVisible()).toBe(true);
    expect(await page.locator('button:visible').count()).toBe(0);
    await page.evaluate("dispatchEvent(new Event('afterprint'))");
    expect(await page.locator('#days').isVisible()).toBe(false);
    await page.context().close();
  });

  test('on paper a chart that was drawn for a wide screen stays within its frame, and no heading is missing', async () => {
    const { page } = await open({ viewport: { width: 1280, height: 800 } });
    await page.waitForSelector('.chart canvas');
    await page.emulateMedia({ media: 'print' });
    // A sheet of A4 is narrower, and is laid out before any script hears of it.
    const outside = await page.evaluate(`(() => {
      document.body.style.width = '718px';
      const right = (element) => element.getBoundingClientRect().right;
      const canvases = [...document.querySelectorAll('.chart canvas')];
      return canvases.map((canvas) => right(canvas) - right(canvas.closest('figure'))).filter((beyond) => beyond > 0);
    })()`);
    expect(outside).toEqual([]);
    const headings = page.locator('[aria-labelledby=where] thead th');
    expect(await headings.count()).toBe(18);
    expect(await page.locator('[aria-labelledby=where] thead th:visible').count()).toBe(18);
    await page.context().close();
  });

  test.each([
    ['a phone', PHONE, 'screen'],
    ['paper', { width: 718, height: 1000 }, 'print'],
  ] as const)('on %s each table says what it is by', async (_what, viewport, media) => {
    const { page } = await open({ viewport });
    await page.emulateMedia({ media });
    const captions = page.locator('[aria-labelledby=where] caption:visible');
    expect(await captions.allTextContents()).toEqual(['By provider', 'By team', 'By preset']);
    await page.context().close();
  });

  test('without JavaScript the numbers and the tables are there, and no empty chart', async () => {
    const { page } = await open({ javaScriptEnabled: false });
    expect(await page.locator('.tile strong').first().textContent()).toMatch(/^\$\d+\.\d\d$/);
    expect(await page.locator('.chart:visible').count()).toBe(0);
    await page.click('#days-details summary');
    expect(await page.locator('#days').isVisible()).toBe(true);
    await page.context().close();
  });

  test.each(['light', 'dark'] as const)('nothing sticks out on a phone (%s)', async (colorScheme) => {
    const { page } = await open({ viewport: PHONE, colorScheme });
    await page.waitForSelector('.chart canvas');
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    await page.context().close();
  });

  test('the board has each provider’s cost over its queue', async () => {
    const { page } = await open();
    await page.goto(`${world.http.url}/queues/queue/sandbox-pve-vm`);
    await page.waitForSelector('text=/\\/h now, \\$.* this month, .* less than at Morph/');
    await page.context().close();
  });
});
