/**
 * Touches, at most one write per sandbox, second and process: the first goes out at once, those that come within a
 * second of it are one more write at the end of that second. Each is acknowledged by a write that came after it.
 */
export interface TouchBatch<Result> {
  touch(sandboxId: string): Promise<Result>;
}

/** One result per id, in the same order. At most `MOST_AT_ONCE` ids. */
type Write<Result> = (sandboxIds: readonly string[]) => Promise<readonly Result[]>;

/** What one request of the API takes. */
export const MOST_AT_ONCE = 200;

const WINDOW_MS = 1_000;
/** Beyond it windows that have ended are swept out; a process sees far fewer sandboxes in a second. */
const MAX_WINDOWS = 10_000;

export function createTouchBatch<Result>(write: Write<Result>): TouchBatch<Result> {
  /** When each sandbox was last written, on the monotonic clock. */
  const writtenAtMs = new Map<string, number>();
  /** Those that wait for a write: it has not begun, so that whoever comes is covered by it. */
  const waiting = new Map<string, Promise<Result>>();
  /** Those whose write goes out together in this turn of the event loop. */
  let gathering: { readonly ids: string[]; readonly written: Promise<readonly Result[]> } | undefined;

  function gather(sandboxId: string): Promise<Result> {
    if (gathering === undefined || gathering.ids.length >= MOST_AT_ONCE) {
      const ids: string[] = [];
      gathering = { ids, written: later(0).then(() => flush(ids)) };
    }
    const at = gathering.ids.push(sandboxId) - 1;
    return gathering.written.then((results) => results[at] as Result);
  }

  async function flush(ids: readonly string[]): Promise<readonly Result[]> {
    if (gathering?.ids === ids) gathering = undefined;
    for (const id of ids) {
      waiting.delete(id);
      writtenAtMs.set(id, performance.now());
    }
    return write(ids);
  }

  return {
    touch(sandboxId) {
      const known = waiting.get(sandboxId);
      if (known) return known;
      if (writtenAtMs.size > MAX_WINDOWS) forgetEnded(writtenAtMs);
      const dueMs = (writtenAtMs.get(sandboxId) ?? Number.NEGATIVE_INFINITY) + WINDOW_MS - performance.now();
      const touched = dueMs > 0 ? later(dueMs).then(() => gather(sandboxId)) : gather(sandboxId);
      waiting.set(sandboxId, touched);
      return touched;
    },
  };
}

function forgetEnded(writtenAtMs: Map<string, number>): void {
  for (const [id, atMs] of writtenAtMs) if (atMs + WINDOW_MS < performance.now()) writtenAtMs.delete(id);
}

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
