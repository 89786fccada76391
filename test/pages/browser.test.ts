/** The pages in a real browser: what a content policy, a keyboard and a small screen make of them. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { type FleetWorld, startFleetWorld } from './fleet-world.ts';

const PHONE = { width: 390, height: 844 };

describe.skipIf(!inject('hasBrowser'))('in a browser', () => {
  let browser: Browser;
  let world: FleetWorld;
  beforeAll(async () => {
    [browser, world] = await Promise.all([launchChromium(), startFleetWorld()]);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await world?.close();
  });

  /** A page of its own session, and what its console complained about. */
  async function open(options: BrowserContextOptions = {}): Promise<{ page: Page; complaints: string[] }> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    return { page, complaints };
  }

  async function openAs(role: keyof FleetWorld['tokens'], options?: BrowserContextOptions, path = '/') {
    const opened = await open(options);
    await opened.page.goto(`${world.http.url}${path}`);
    await opened.page.fill('#token', world.tokens[role]);
    await opened.page.click('button[type=submit]');
    return opened;
  }

  /** Presses Tab until the element has the focus; the bound is far beyond what a page has. */
  async function tabTo(page: Page, selector: string): Promise<void> {
    for (let presses = 0; presses < 200; presses += 1) {
      await page.keyboard.press('Tab');
      if ((await page.locator(`${selector}:focus`).count()) > 0) return;
    }
    throw new Error(`the keyboard does not reach ${selector}`);
  }

  test('whoever is not logged in is led to /login, and back to where they wanted to go', async () => {
    const { page, complaints } = await open();
    await page.goto(`${world.http.url}/?state=paused`);
    expect(new URL(page.url()).pathname).toBe('/login');
    await page.keyboard.type('not a token');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]');
    await page.keyboard.type(world.tokens.operator);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#sandboxes');
    expect(new URL(page.url()).search).toBe('?state=paused');
    expect(await page.textContent('.who')).toContain('otto');
    // Only the browser's note on the 401 of the wrong token.
    expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);

    await page.click('text=Log out');
    await page.goto(world.http.url);
    expect(new URL(page.url()).pathname).toBe('/login');
    await page.context().close();
  });

  test('the page keeps itself fresh, and no policy is broken', async () => {
    const { page, complaints } = await openAs('admin');
    const first = await page.textContent('#fresh');
    await eventually(
      'the time on the page moves on',
      async () => (await page.textContent('#fresh')) !== first,
    );
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test('a sandbox is paused and resumed by keyboard only, and the focus stays in its row', async () => {
    const { page, complaints } = await openAs('operator');
    const { id } = world.sandboxes.running;
    await tabTo(page, `#pause-${id}`);
    await page.keyboard.press('Enter');
    await eventually('it is paused', async () => (await world.test.producer.get(id)).state === 'paused');
    await page.waitForSelector(`#resume-${id}`);
    expect(await page.locator(':focus').getAttribute('data-sandbox')).toBe(id);
    await page.focus(`#resume-${id}`);
    await page.keyboard.press('Space');
    await eventually('it runs again', async () => (await world.test.producer.get(id)).state === 'running');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test('destroy asks first: Escape keeps the sandbox, the second button ends it', async () => {
    const { page } = await openAs('operator');
    const { id } = await world.test.producer.start({ preset: '4vcpu_8gb_32gb', taskRunId: 'run-to-end' });
    await page.waitForSelector(`#destroy-${id}`);
    await page.focus(`#destroy-${id}`);
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open]');
    expect(await page.textContent('#confirm-sandbox')).toBe(id);
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog[open]', { state: 'detached' });
    expect((await world.test.producer.get(id)).state).toBe('running');
    expect(await page.locator(':focus').getAttribute('id')).toBe(`destroy-${id}`);

    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open]');
    await tabTo(page, 'dialog button[value=destroy]');
    await page.keyboard.press('Enter');
    await eventually(
      'it is destroyed',
      async () => (await world.test.producer.get(id)).state === 'destroyed',
    );
    await page.context().close();
  });

  test('a refusal is read out with what to do about it', async () => {
    const { page } = await openAs('operator');
    const { id } = world.sandboxes.paused;
    await page.waitForSelector(`#resume-${id}`);
    await page.route('**/v1/**', (route) =>
      route.fulfill({
        status: 409,
        contentType: 'application/json',
        body: JSON.stringify({
          code: 'wrong_state',
          message: 'not now',
          remediation: 'Wait.',
          retryable: false,
        }),
      }),
    );
    await page.click(`#resume-${id}`);
    await page.waitForSelector('#status.problem');
    expect(await page.textContent('#status')).toBe(`resume ${id}: not now — Wait.`);
    expect(await page.getAttribute('#status', 'role')).toBe('status');
    await page.context().close();
  });

  test('a viewer is shown no buttons, and the board without any that change something', async () => {
    const { page, complaints } = await openAs('viewer');
    await page.waitForSelector('#sandboxes');
    expect(await page.locator('[data-action]').count()).toBe(0);
    await page.goto(`${world.http.url}/queues/queue/sandbox-pve-vm?status=failed`);
    await page.waitForSelector('text=/failed attempts?: .* for you/');
    await page.waitForSelector('text=/start sbx-/');
    expect(await page.getByRole('button', { name: /retry|promote|clean|pause|empty/i }).count()).toBe(0);
    // The board asks Google for its fonts; the policy keeps that in.
    expect(complaints.filter((text) => !text.includes('fonts.googleapis.com'))).toEqual([]);
    await page.context().close();
  });

  test('an operator’s board has its buttons', async () => {
    const { page } = await openAs('operator');
    await page.goto(`${world.http.url}/queues/queue/sandbox-pve-vm?status=failed`);
    await page.waitForSelector('text=/start sbx-/');
    expect(await page.getByRole('button', { name: /retry/i }).count()).toBeGreaterThan(0);
    await page.context().close();
  });

  test.each(['light', 'dark'] as const)('nothing sticks out on a phone (%s)', async (colorScheme) => {
    const { page } = await openAs('admin', { viewport: PHONE, colorScheme });
    await page.waitForSelector('#sandboxes');
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    await page.context().close();
  });

  test('without JavaScript there is a link to refresh, and no button that does nothing', async () => {
    const { page } = await openAs('operator', { javaScriptEnabled: false });
    expect(await page.locator('text=Refresh').isVisible()).toBe(true);
    expect(await page.locator('[data-action]:visible').count()).toBe(0);
    await page.context().close();
  });
});
