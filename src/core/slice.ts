/**
 * A slice is one hour of a running sandbox at a provider's price: the least that admitting one is worth asking
 * about. Workers publish the slices of their presets, so that whoever submits needs no price book.
 */
import type { Day } from './day.ts';
import { type Exact, scale, toMicroUsd, ZERO } from './exact.ts';
import {
  type BilledSize,
  HOUR_MS,
  isPricedOn,
  mcuPriceOn,
  mcuRatePerMs,
  nodeRatePerMs,
  PRICED_BY,
  type PriceBook,
} from './price-book.ts';
import { PROVIDER_NAMES, type ProviderName } from './provider-name.ts';
import type { Preset } from './start-request.ts';

/** In micro-dollars. A provider without a price costs nothing that is known. */
export type SliceByProvider = Readonly<Partial<Record<ProviderName, number>>>;

export interface SlicePrices {
  readonly presets: Readonly<Record<string, SliceByProvider>>;
  /** The dearest preset's: for sources of which nobody knows how large they are. */
  readonly otherwise: SliceByProvider;
}

export const NO_SLICES: SlicePrices = { presets: {}, otherwise: {} };

export function slicePrices(book: PriceBook, presets: readonly Preset[], day: Day): SlicePrices {
  const priced = presets.map((preset) => [preset.name, slicesOf(book, preset, day)] as const);
  const otherwise: Partial<Record<ProviderName, number>> = {};
  for (const [, slices] of priced) {
    for (const provider of PROVIDER_NAMES) {
      const slice = slices[provider];
      if (slice !== undefined) otherwise[provider] = Math.max(otherwise[provider] ?? 0, slice);
    }
  }
  return { presets: Object.fromEntries(priced), otherwise };
}

export function sliceMicroUsd(
  { presets, otherwise }: SlicePrices,
  preset: string | undefined,
  provider: ProviderName,
): number {
  const slices = preset === undefined ? otherwise : (presets[preset] ?? otherwise);
  return slices[provider] ?? 0;
}

function slicesOf(book: PriceBook, size: BilledSize, day: Day): SliceByProvider {
  return Object.fromEntries(
    PROVIDER_NAMES.map((provider) => {
      const perMs = PRICED_BY[provider] === 'mcu' ? mcuRate(book, size, day) : dearestNode(book, size, day);
      return [provider, toMicroUsd(scale(perMs, HOUR_MS))];
    }),
  );
}

function mcuRate(book: PriceBook, size: BilledSize, day: Day): Exact {
  const price = mcuPriceOn(book, day);
  return price === undefined ? ZERO : mcuRatePerMs(price, size, 'running');
}

/** Where it will run is decided later: the dearest node is the safe guess. */
function dearestNode(book: PriceBook, size: BilledSize, day: Day): Exact {
  const rates = book.nodes
    .filter((price) => isPricedOn(price, day))
    .map((price) => nodeRatePerMs(price, day, size, 'running'));
  return rates.reduce(
    (most, rate) => (toMicroUsd(scale(rate, HOUR_MS)) > toMicroUsd(scale(most, HOUR_MS)) ? rate : most),
    ZERO,
  );
}
