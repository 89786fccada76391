/** What the fleet page tells of idleness: who is suspended next, and what suspensions were worth. */
import { addCounts, GATE_DAYS, NO_EPISODES } from '../../core/idle-episode.ts';
import type { IdleOutlook } from '../../core/idle-outlook.ts';
import type { Sandbox } from '../../core/sandbox.ts';
import type { GateReport, IdleDay } from '../../store/idle.ts';
import { readIdleOutlooks } from '../../store/idle-outlook.ts';
import type { Store } from '../../store/store.ts';

export interface IdleSnapshot {
  /** Absent until the sweep has run once. */
  readonly gate: GateReport | undefined;
  readonly today: IdleWorth;
  /** Over the days that the gate looks at, today included. */
  readonly week: IdleWorth;
  /** The soonest first. */
  readonly next: readonly { readonly sandbox: Sandbox; readonly outlook: IdleOutlook }[];
}

export type IdleWorth = Omit<IdleDay, 'day'>;

/** The page shows fewer; a viewer of one team sees its own of these. Three reads each, every two seconds at most. */
const MAX_NEXT = 50;
/** What is due is looked at within a minute. In shadow mode it goes on running for long, and is no news then. */
const DUE_SINCE_MS = 60_000;

export async function readIdle(store: Store, atMs: number): Promise<IdleSnapshot> {
  const [gate, days, upcoming] = await Promise.all([
    store.idle.gate(),
    store.idle.days(GATE_DAYS, atMs),
    store.idle.upcoming(MAX_NEXT, atMs - DUE_SINCE_MS),
  ]);
  const found = await Promise.all(upcoming.map(({ sandboxId }) => store.reading.sandbox(sandboxId)));
  const sandboxes = found.filter((sandbox) => sandbox !== undefined);
  const outlooks = await readIdleOutlooks(store, sandboxes, atMs);
  return {
    gate,
    today: sum(days.slice(0, 1)),
    week: sum(days),
    next: sandboxes
      .flatMap((sandbox) => {
        const outlook = outlooks.get(sandbox.id);
        return outlook?.suspendAtMs === undefined ? [] : [{ sandbox, outlook }];
      })
      .sort((a, b) => (a.outlook.suspendAtMs ?? 0) - (b.outlook.suspendAtMs ?? 0)),
  };
}

function sum(days: readonly IdleWorth[]): IdleWorth {
  return {
    shadow: days.reduce((total, { shadow }) => addCounts(total, shadow), NO_EPISODES),
    enforce: days.reduce((total, { enforce }) => addCounts(total, enforce), NO_EPISODES),
  };
}
