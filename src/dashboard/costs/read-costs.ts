/**
 * Reads what the costs page and the board show: this month's usage, what is open, prices, who is simulated. One
 * snapshot serves every viewer for ten seconds; each team's view of it is worked out once.
 */
import { monthStartMs, monthText } from '../../core/day.ts';
import type { Store } from '../../store/store.ts';
import type { MonthView } from './costs-view.ts';
import { type CostsSnapshot, viewMonth } from './view-costs.ts';

export interface CostsReaderDeps {
  readonly store: Pick<Store, 'ledger' | 'costs' | 'deployment' | 'budgets' | 'savings' | 'costLines'>;
  readonly nowMs: () => number;
}

export interface CostsReader {
  /** @param teamId `undefined`: everything */
  month(teamId: string | undefined): Promise<MonthView>;
}

/** The page asks again every 15 s, the board every 5 s. */
const SNAPSHOT_MS = 10_000;

export function createCostsReader({ store, nowMs }: CostsReaderDeps): CostsReader {
  const readViews = cached(SNAPSHOT_MS, nowMs, async (now) => {
    const snapshot = await readSnapshot(store, now);
    const views = new Map<string | undefined, MonthView>();
    return (teamId: string | undefined) => {
      const view = views.get(teamId) ?? viewMonth(snapshot, teamId);
      views.set(teamId, view);
      return view;
    };
  });
  return {
    month: async (teamId) => (await readViews())(teamId),
  };
}

async function readSnapshot(store: CostsReaderDeps['store'], atMs: number): Promise<CostsSnapshot> {
  const time = { fromMs: monthStartMs(atMs), toMs: atMs };
  const [book, rows, open, view, compared, metered] = await Promise.all([
    store.costs.prices(),
    store.ledger.usage({ ...time, nowMs: atMs, bySandbox: false }),
    store.ledger.openIntervals(),
    store.deployment.view(),
    store.savings.read(time),
    store.costLines.all(),
  ]);
  const simulated = (view?.statuses ?? []).filter((status) => status.simulated);
  const { budgets } = await store.budgets.read(view?.settings.budgets ?? [], monthText(atMs));
  const names = simulated.map(({ provider }) => provider);
  const [month] = compared.months;
  const { comparedAtMs } = compared;
  const savings = month && comparedAtMs !== undefined ? { savings: { ...month, comparedAtMs } } : {};
  return { atMs, book, rows, open, simulated: names, metered, budgets, ...savings };
}

/** A failure is the request's that met it; the next one tries anew. */
function cached<T>(forMs: number, nowMs: () => number, read: (now: number) => Promise<T>): () => Promise<T> {
  let latest: { readonly untilMs: number; readonly value: Promise<T> } | undefined;
  return () => {
    const now = nowMs();
    if (latest === undefined || latest.untilMs <= now) {
      const value = read(now);
      latest = { untilMs: now + forMs, value };
      value.catch(() => {
        latest = undefined;
      });
    }
    return latest.value;
  };
}
