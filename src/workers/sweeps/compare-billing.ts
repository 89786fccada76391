/** Holds what a provider charged against the ledger, for days whose bill should be complete. Changes nothing there. */
import {
  type BilledBound,
  type BilledDay,
  chargedDays,
  DEFAULT_BILLED_BOUND,
  differsTooMuch,
} from '../../core/billed.ts';
import { usdText } from '../../core/costs.ts';
import { dayText } from '../../core/day.ts';
import { priceUsage } from '../../core/usage-cost.ts';
import type { Logger } from '../../platform/log.ts';
import type { Provider } from '../../providers/provider.ts';
import { isProviderError } from '../../providers/provider-error.ts';
import type { Store } from '../../store/store.ts';
import { readOnlyCall } from '../reconcile/read-only-call.ts';
import type { SweepRunOptions } from '../sweep.ts';

/** Morph tells 120 parts of whatever is asked for: of five days an hour each, and a day that was missed is made up for. */
const DAYS = 5;
/** Nothing is published of how far a bill lags behind; the same day is asked for again on the days that follow. */
const SETTLED_AFTER_MS = 6 * 3_600_000;
/** One request, and one reading of the ledger per day. */
const TIMEOUT_MS = 60_000;

export interface CompareBillingDeps {
  readonly store: Store;
  readonly providers: readonly Pick<Provider, 'name' | 'billed'>[];
  readonly nowMs: () => number;
  readonly log: Logger;
  readonly billedBound?: BilledBound;
}

export type CompareBillingCounts = Record<'looked' | 'compared' | 'differing' | 'failed', number>;

export async function compareBilling(
  deps: CompareBillingDeps,
  { dryRun, signal }: SweepRunOptions,
): Promise<CompareBillingCounts> {
  const { store, nowMs, billedBound = DEFAULT_BILLED_BOUND } = deps;
  const counts = { looked: 0, compared: 0, differing: 0, failed: 0 };
  for (const provider of deps.providers) {
    if (provider.billed === undefined) continue;
    signal.throwIfAborted();
    counts.looked += 1;
    const days = await compareDays(deps, provider, signal);
    if (days === undefined) {
      counts.failed += 1;
      continue;
    }
    const differing = days.filter((each) => differsTooMuch(each, billedBound));
    counts.compared += days.length;
    counts.differing += differing.length;
    if (dryRun) continue;
    await store.billedDays.keep(days, nowMs());
    if (days.length > 0) await tellOfDifference(store, provider.name, differing.at(-1), nowMs());
  }
  return counts;
}

/** `undefined`: the provider did not say. */
async function compareDays(
  { store, nowMs, log }: CompareBillingDeps,
  provider: Pick<Provider, 'name' | 'billed'>,
  outerSignal: AbortSignal,
): Promise<readonly BilledDay[] | undefined> {
  const signal = AbortSignal.any([outerSignal, AbortSignal.timeout(TIMEOUT_MS)]);
  const asOfMs = nowMs();
  try {
    const parts = await provider.billed?.(DAYS, readOnlyCall(signal, 'the comparison of bills'));
    const book = await store.costs.prices();
    const days: BilledDay[] = [];
    for (const { day, fromMs, toMs, billedMicroUsd } of chargedDays(parts ?? [], asOfMs - SETTLED_AFTER_MS)) {
      const rows = await store.ledger.usage({ fromMs, toMs, nowMs: asOfMs, bySandbox: false });
      const own = rows.filter((row) => row.provider === provider.name);
      const { totalMicroUsd } = priceUsage(book, own, { groupBy: [], fromMs, toMs, withNodes: false });
      days.push({
        provider: provider.name,
        day: dayText(day),
        fromMs,
        toMs,
        billedMicroUsd,
        ledgerMicroUsd: totalMicroUsd,
        differenceMicroUsd: billedMicroUsd - totalMicroUsd,
        asOfMs,
      });
    }
    return days;
  } catch (error) {
    outerSignal.throwIfAborted();
    if (!isProviderError(error) && !signal.aborted) throw error;
    log.warn({ provider: provider.name, err: error }, 'the provider does not say what it charged');
    return undefined;
  }
}

async function tellOfDifference(
  store: Store,
  provider: Provider['name'],
  latest: BilledDay | undefined,
  nowMs: number,
): Promise<void> {
  const key = { name: 'billing.differs', subject: provider } as const;
  if (latest === undefined) {
    await store.alerts.clear(key, nowMs);
    return;
  }
  const { day, billedMicroUsd, ledgerMicroUsd } = latest;
  await store.alerts.raise(
    {
      ...key,
      message: `${provider} charged $${usdText(billedMicroUsd)} for ${day}; the ledger knows of $${usdText(ledgerMicroUsd)}`,
      remediation: 'GET /v1/costs tells the difference day by day under "billed".',
    },
    nowMs,
  );
}
