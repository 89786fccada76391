import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/platform/config.ts';
import { LOCAL_PRICES } from '../../src/platform/price-book-file.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-prices-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(content: string): string {
  const path = join(folder, 'prices.json');
  writeFileSync(path, content);
  return path;
}

function refusal(path: string): string {
  try {
    loadConfig({ PRICE_BOOK_FILE: path });
  } catch (error) {
    return String(error);
  }
  throw new Error('it was taken');
}

describe('the file of prices', () => {
  it('is taken as it is written', () => {
    const PRICE_BOOK_FILE = file(JSON.stringify(LOCAL_PRICES));
    expect(loadConfig({ PRICE_BOOK_FILE }).priceBook).toEqual(LOCAL_PRICES);
  });

  it('is refused with everything that is wrong in it at once, each with its place', () => {
    const node = { node: 'pve1', from: '2026-01-01', usdPerMonth: '60', memoryMib: 1_024 };
    const message = refusal(
      file(
        JSON.stringify({
          asOf: '2026-02-30',
          morph: [{ from: '2026-01-01', usdPerMcuHour: 0.05, mcuMemoryMib: 0, mcuDiskGib: 16 }],
          nodes: [{ ...node, usdPerMonth: '-60' }],
          color: 'red',
        }),
      ),
    );
    for (const place of [
      'PRICE_BOOK_FILE › asOf',
      'PRICE_BOOK_FILE › morph › 0 › usdPerMcuHour',
      'PRICE_BOOK_FILE › morph › 0 › mcuMemoryMib',
      'PRICE_BOOK_FILE › morph › 0 › usdPerStoredGibHour',
      'PRICE_BOOK_FILE › nodes › 0 › usdPerMonth',
      'color',
    ]) {
      expect(message).toContain(place);
    }
  });

  it('is refused where prices of one node contradict each other', () => {
    const node = { node: 'pve1', from: '2026-01-01', usdPerMonth: '60', memoryMib: 1_024, sharedMib: 0 };
    const message = refusal(
      file(
        JSON.stringify({
          asOf: '2026-01-01',
          nodes: [
            node,
            { ...node, sharedMib: 2_048 },
            { ...node, node: 'pve2', until: '2026-01-01' },
            { ...node, node: 'pve3', failureDomain: 'a' },
            { ...node, node: 'pve3', from: '2026-02-01' },
          ],
        }),
      ),
    );
    for (const problem of [
      'this node has two prices from the same day',
      'sharedMib is more than the memory of the node',
      'until is not after from',
      'name the failure domain in every price of this node, or in none',
    ]) {
      expect(message).toContain(problem);
    }
  });

  it.each([
    ['what is no JSON', () => file('{'), 'is no JSON'],
    ['a file that is not there', () => join(folder, 'nowhere.json'), 'cannot be read'],
  ])('is refused: %s', (_what, path, problem) => {
    expect(refusal(path())).toContain(problem);
  });
});
