import type { AttemptQueue } from '../queues/queues.ts';

/** The newest failures tell what is going on; each one read costs about 1 kB. */
const MAX_READ = 200;
/** Every open tab of the board polls; one look serves them all. */
const FRESH_MS = 5_000;
/** What workers write into the reason of an attempt that another one follows: "… → attempt 2 on morph". */
const CARRIED_ON = / → attempt \d+ on /;

/** "37 failed attempts: 36 carried on elsewhere, 1 for you." `undefined` while none failed. */
export function createFailureSummary(
  queue: AttemptQueue,
  nowMs: () => number,
): () => Promise<string | undefined> {
  let latest: { readonly untilMs: number; readonly summary: Promise<string | undefined> } | undefined;
  return () => {
    if (latest === undefined || latest.untilMs <= nowMs()) {
      latest = { untilMs: nowMs() + FRESH_MS, summary: summarise(queue) };
    }
    return latest.summary;
  };
}

async function summarise(queue: AttemptQueue): Promise<string | undefined> {
  const [total, newest] = await Promise.all([queue.getFailedCount(), queue.getFailed(0, MAX_READ - 1)]);
  if (total === 0) return undefined;
  const carriedOn = newest.filter((job) => CARRIED_ON.test(job?.failedReason ?? '')).length;
  return describeFailures({ total, read: newest.length, carriedOn });
}

export function describeFailures(counts: {
  readonly total: number;
  readonly read: number;
  readonly carriedOn: number;
}): string {
  const { total, read, carriedOn } = counts;
  const attempts = total === 1 ? '1 failed attempt' : `${total} failed attempts`;
  const which = total > read ? `; of the newest ${read}` : '';
  return `${attempts}${which}: ${carriedOn} carried on elsewhere, ${read - carriedOn} for you.`;
}
