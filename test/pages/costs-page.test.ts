/** What the costs page and the board's cost lines tell, as text: the browser's part is in costs-browser.test.ts. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { monthStartMs } from '../../src/core/day.ts';
import { money } from '../../src/dashboard/pages/money.ts';
import { type CostsWorld, NOW_MS, startCostsWorld } from './costs-world.ts';

let world: CostsWorld;
beforeAll(async () => {
  world = await startCostsWorld();
}, 60_000);
afterAll(() => world?.close());

async function page(token: string, path = '/costs'): Promise<string> {
  const response = await fetch(world.http.url + path, { headers: { authorization: `Bearer ${token}` } });
  expect(response.status).toBe(200);
  return response.text();
}

/** What the ledger itself says of the same month: sandboxes and nodes, and the whole bill. */
async function ledger(teamId?: string) {
  const { totalMicroUsd, otherMicroUsd, ...rest } = await world.test.system.store.costs.read({
    fromMs: monthStartMs(NOW_MS),
    toMs: NOW_MS,
    nowMs: NOW_MS,
    groupBy: ['provider'],
    limit: 100,
    ...(teamId === undefined ? {} : { teamId }),
  });
  return { ...rest, totalMicroUsd: totalMicroUsd - otherMicroUsd, billMicroUsd: totalMicroUsd };
}

/** Every amount of a column, in the order of the days. */
function column(html: string, index: number): readonly number[] {
  const rows = html.split('<tr data-day=').slice(1);
  return rows.map((row) => Number([...row.matchAll(/data-usd="([^"]+)"/g)].at(index)?.[1]));
}

test('the headline is what the ledger says', async () => {
  const { totalMicroUsd } = await ledger();
  expect(totalMicroUsd).toBeGreaterThan(10_000_000);
  expect(await page(world.tokens.viewer)).toContain(`<strong>${money(totalMicroUsd)}</strong>`);
});

test('the whole bill is one number with its lines, held against the target, and no team’s business', async () => {
  const { billMicroUsd, totalMicroUsd } = await ledger();
  expect(billMicroUsd - totalMicroUsd).toBe(111_400_000);
  const html = await page(world.tokens.viewer);
  expect(html).toContain(`the whole bill: ${money(billMicroUsd)}`);
  const section = html.split('id="bill"')[1]?.split('</section>')[0] ?? '';
  for (const text of [
    money(billMicroUsd),
    'of the $300.00',
    '>ai<',
    '$86.40',
    '>convex<',
    money(totalMicroUsd),
  ])
    expect(section).toContain(text);
  expect(await page(world.tokens.team)).not.toContain('id="bill"');
});

test('the days add up to the month, and none is left out', async () => {
  const html = await page(world.tokens.viewer);
  const days = column(html, -3);
  const soFar = column(html, -2);
  expect(days.length).toBe(20);
  const total = Math.round(days.reduce((sum, usd) => sum + usd, 0) * 1e6);
  expect(total).toBe((await ledger()).totalMicroUsd);
  expect(Math.round((soFar.at(-1) ?? 0) * 1e6)).toBe(total);
});

test('simulated providers are called so', async () => {
  const html = await page(world.tokens.viewer);
  for (const provider of ['pve-vm', 'pve-lxc', 'morph']) {
    expect(html).toContain(`${provider}<span class="quiet"> simulated`);
  }
  expect(html).toContain('nothing here was paid');
});

test('a token of one team sees its own share, and neither nodes nor other teams', async () => {
  const html = await page(world.tokens.team);
  const { totalMicroUsd } = await ledger('blue');
  expect(html).toContain(`<strong>${money(totalMicroUsd)}</strong>`);
  expect(html).toContain('team blue alone');
  for (const text of ['red', 'green', 'pve1', 'rest of the nodes']) expect(html).not.toContain(`>${text}<`);
});

test('what the old rule would have cost is shown with both bounds, to those who see everything', async () => {
  const { months } = await world.test.system.store.savings.read({
    fromMs: monthStartMs(NOW_MS),
    toMs: NOW_MS,
  });
  // Each day of it is rounded by itself, to a micro-dollar.
  const actual = months[0]?.actualMicroUsd ?? -1;
  expect(Math.abs(actual - (await ledger()).totalMicroUsd)).toBeLessThanOrEqual(20);
  const { lowerMicroUsd = -1, upperMicroUsd = -1 } = months[0]?.under.old_rule ?? {};
  expect(upperMicroUsd).toBeGreaterThan(lowerMicroUsd);
  const bounds = `${money(lowerMicroUsd)} to ${money(upperMicroUsd)}`;
  expect(await page(world.tokens.viewer)).toContain(bounds);
  expect(await page(world.tokens.team)).not.toContain(bounds);
});

test('each budget says how far it is used and where it will end; a team is shown its own', async () => {
  const all = await page(world.tokens.viewer);
  for (const text of ['of $300.00', 'of $20.00', 'by the end of the month', 'at the limit: no new starts']) {
    expect(all).toContain(text);
  }
  const own = await page(world.tokens.team);
  expect(own).toContain('of $10.00');
  expect(own).not.toContain('of $150.00');
});

test('the board tells what each provider costs, and leads to the page', async () => {
  const { queues } = JSON.parse(await page(world.tokens.viewer, '/queues/api/queues')) as {
    queues: readonly { name: string; description: string }[];
  };
  const described = Object.fromEntries(queues.map(({ name, description }) => [name, description]));
  const { lines } = await ledger();
  for (const provider of ['pve-vm', 'pve-lxc', 'morph']) {
    const line = lines.find(({ group }) => group.provider === provider);
    expect(described[`sandbox-${provider}`]).toContain(`${money(line?.microUsd ?? -1)} this month`);
    expect(described[`sandbox-${provider}`]).toMatch(/^\$[\d.]+\/h now, .*\(simulated\)\. /);
  }
  expect(described['sandbox-pve-vm']).toContain('less than at Morph');
  expect(await page(world.tokens.viewer, '/queues')).toContain('/costs');
});
