/** The bill beyond sandboxes, in one total with them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otherCosts } from '../../src/core/cost-lines.ts';
import { DAY_MS } from '../../src/core/day.ts';
import { PUBLISHED_PRICES, toPriceBook } from '../../src/platform/price-book-file.ts';
import { expectError, startTestApi, type TestApi } from '../api/support.ts';
import { at, day } from './ledger-case.ts';

const PRICES = {
  ...PUBLISHED_PRICES,
  lines: [{ line: 'convex', from: '2026-01-01', until: '2026-11-16', usdPerMonth: '30' }],
};

test('fixed lines cost each day of a month the same, until they end; metered ones count on their day', () => {
  const november = { fromMs: at('2026-11-01'), toMs: at('2026-12-01') };
  const metered = [
    { id: 'a', line: 'ai', microUsd: 2_500_000, day: day('2026-11-30') },
    { id: 'b', line: 'ai', microUsd: -500_000, day: day('2026-11-30') },
    { id: 'c', line: 'ai', microUsd: 9_000_000, day: day('2026-12-01') },
  ];
  const month = otherCosts(toPriceBook(PRICES), metered, { ...november, byDay: false });
  expect(month.totalMicroUsd).toBe(17_000_000);
  expect(month.lines.map(({ group, microUsd }) => [group.line, microUsd])).toEqual([
    ['convex', 15_000_000],
    ['ai', 2_000_000],
  ]);
  const days = otherCosts(toPriceBook(PRICES), metered, { ...november, byDay: true });
  expect(days.totalMicroUsd).toBe(month.totalMicroUsd);
  expect(days.lines).toHaveLength(16);
  const noon = { fromMs: november.fromMs, toMs: november.fromMs + DAY_MS / 2, byDay: false };
  expect(otherCosts(toPriceBook(PRICES), [], noon).totalMicroUsd).toBe(500_000);
});

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ workers: false });
});
afterAll(() => api.close());

const LINE = {
  id: 'openrouter-1',
  line: 'ai',
  usd: 3.2,
  atDay: new Date().toISOString().slice(0, 10),
};

test('a line that is told twice counts once, in the same total as sandboxes', async () => {
  const total = async () => (await api.call('GET', '/v1/costs')).body;
  const before = await total();
  for (let times = 0; times < 2; times += 1) {
    const told = await api.call('POST', '/v1/costs/lines', { body: LINE });
    expect(told).toMatchObject({ status: 200, body: LINE });
  }
  const after = await total();
  expect(after.otherMicroUsd).toBe(3_200_000);
  expect(after.totalMicroUsd - before.totalMicroUsd).toBe(3_200_000);
  expect(after.lines).toContainEqual({ kind: 'other', group: { line: 'ai' }, microUsd: 3_200_000, ms: {} });
  expect((await api.call('GET', '/v1/costs/lines')).body).toEqual({ fixed: [], metered: [LINE] });
});

test('another line under the same id is refused', async () => {
  await api.call('POST', '/v1/costs/lines', { body: LINE });
  const again = await api.call('POST', '/v1/costs/lines', { body: { ...LINE, usd: 4 } });
  expectError(again, 409, 'idempotency_key_reused');
});
