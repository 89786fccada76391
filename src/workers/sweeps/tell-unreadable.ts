/** Tells of what is in the ledger and cannot be read: it is kept, and whoever sees the alert decides. */
import type { Alert } from '../../core/alert.ts';
import type { Store } from '../../store/store.ts';

export interface Unreadable {
  readonly closed: readonly string[];
  /** Guests. */
  readonly open: readonly string[];
  /** Ids of metered lines of the bill. */
  readonly lines: readonly string[];
}

const NAMES = {
  closed: ['closed interval', 'closed intervals'],
  open: ['open interval', 'open intervals'],
  lines: ['line of the bill', 'lines of the bill'],
} as const satisfies Record<keyof Unreadable, readonly [string, string]>;

/** Enough to find it by. */
const SHOWN_CHARACTERS = 60;

export async function tellUnreadable(
  alerts: Store['alerts'],
  found: Unreadable,
  nowMs: number,
): Promise<void> {
  const kinds = Object.keys(NAMES) as (keyof Unreadable)[];
  const right = kinds.filter((kind) => found[kind].length === 0);
  await alerts.clearAll(
    right.map((subject) => ({ name: 'ledger.unreadable', subject })),
    nowMs,
  );
  for (const kind of kinds.filter((each) => !right.includes(each))) {
    await alerts.raise(alertOf(kind, found[kind]), nowMs);
  }
}

function alertOf(kind: keyof Unreadable, texts: readonly string[]): Alert {
  const [one, several] = NAMES[kind];
  const [first = ''] = texts;
  const what =
    texts.length === 1
      ? `1 ${one} cannot be read and is`
      : `${texts.length} ${several} cannot be read and are`;
  return {
    name: 'ledger.unreadable',
    subject: kind,
    message: `${what} in no amount; the first: ${first.slice(0, SHOWN_CHARACTERS)}`,
  };
}
