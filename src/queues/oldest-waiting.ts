import type { AttemptQueue } from './queues.ts';

/** The priorities that jobs are added with; see `queues.ts`. */
const PRIORITIES = [1, 2, 3, 4, 5];

/**
 * When the job that has waited longest was added; `undefined` when none waits. Within one priority the first is
 * the oldest, so that one job per priority is read, however long the queue.
 */
export async function oldestWaitingAtMs(queue: AttemptQueue): Promise<number | undefined> {
  const counts = await queue.getCountsPerPriority(PRIORITIES);
  const firsts: number[] = [];
  let offset = 0;
  for (const priority of PRIORITIES) {
    const count = counts[priority] ?? 0;
    if (count > 0) firsts.push(offset);
    offset += count;
  }
  const jobs = await Promise.all(
    firsts.map(async (at) => (await queue.getJobs(['prioritized'], at, at, true))[0]),
  );
  const times = jobs.flatMap((job) => (job ? [job.timestamp] : []));
  return times.length === 0 ? undefined : Math.min(...times);
}
