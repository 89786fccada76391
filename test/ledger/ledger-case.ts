import { parseDay } from '../../src/core/day.ts';
import { type Exact, parseDecimal } from '../../src/core/exact.ts';
import type { LedgerAccount } from '../../src/core/ledger.ts';
import type { PriceBook } from '../../src/core/price-book.ts';

export function usd(text: string): Exact {
  const amount = parseDecimal(text);
  if (amount === undefined) throw new Error(`${text} is no decimal number`);
  return amount;
}

export function day(text: string): number {
  const found = parseDay(text);
  if (found === undefined) throw new Error(`${text} is no day`);
  return found;
}

export function at(text: string): number {
  return Date.parse(text.length === 10 ? `${text}T00:00:00Z` : text);
}

/** Morph's published prices, and one node of 64 GiB for $60 a month with 4 GiB kept free. */
export const BOOK: PriceBook = {
  asOf: '2026-09-28',
  sources: ['a test'],
  morph: [
    {
      fromDay: day('2026-01-01'),
      usdPerMcuHour: usd('0.05'),
      mcuMemoryMib: 4096,
      mcuDiskGib: 16,
      usdPerStoredGibHour: usd('0.00001'),
    },
  ],
  nodes: [
    {
      node: 'pve1',
      fromDay: day('2026-01-01'),
      usdPerMonth: usd('60'),
      memoryMib: 65_536,
      sharedMib: 4_096,
    },
  ],
};

export const STANDARD_SIZE = { vcpus: 4, memoryMib: 8_192, diskGib: 32 };

export function account(overrides: Partial<LedgerAccount> = {}): LedgerAccount {
  return {
    guestId: 'morph-00000001',
    sandboxId: 'sbx-1',
    provider: 'morph',
    failureDomain: 'morph',
    teamId: 'team-a',
    userId: 'ann',
    preset: 'standard',
    size: STANDARD_SIZE,
    ...overrides,
  };
}

export function nodeAccount(overrides: Partial<LedgerAccount> = {}): LedgerAccount {
  return account({
    guestId: 'pvevm-00000001',
    provider: 'pve-vm',
    failureDomain: 'pve',
    node: 'pve1',
    ...overrides,
  });
}
