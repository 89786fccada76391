/**
 * Ends the time of observation after a restored dump or a long stop: every sandbox is asked for at its provider,
 * and then watched for as long as an idle one may be left alone, so that whoever uses one is noticed.
 */
import { isLifecycleError } from '../../core/lifecycle-error.ts';
import { isEnded } from '../../core/sandbox.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

/** Inspections submitted in one pass; a thousand sandboxes take some twenty minutes of the hour. */
const BATCH = 50;
/** An inspection lasts for 30 s at most; one that did not succeed is asked for again. */
const AGAIN_MS = 2 * 60_000;
/** Activity is told within minutes where somebody works; an hour is longer than any sensible idle time-out. */
export const OBSERVE_MS = 60 * 60_000;
const REQUESTED_BY = 'the sweep observe-sandboxes';

export type ObserveCounts = Record<'due' | 'asked' | 'ended', number>;

export async function observeSandboxes(
  { store, submitter, nowMs }: SweepDeps,
  { dryRun, signal }: SweepRunOptions,
): Promise<ObserveCounts> {
  const sinceMs = await store.automation.observingSinceMs();
  if (sinceMs === undefined) return { due: 0, asked: 0, ended: 0 };
  const now = nowMs();
  const due = await store.automation.unobserved(now, BATCH);
  if (dryRun) return { due: due.length, asked: 0, ended: 0 };
  let asked = 0;
  for (const id of due) {
    signal.throwIfAborted();
    const sandbox = await store.reading.sandbox(id);
    if (sandbox === undefined || isEnded(sandbox.state) || sandbox.placement === undefined) {
      await store.automation.observed(id);
      continue;
    }
    await store.automation.postponeObservation(id, now + AGAIN_MS);
    if (await askFor(submitter, id)) asked += 1;
  }
  const isOver = now - sinceMs >= OBSERVE_MS && (await store.automation.unobservedCount()) === 0;
  if (isOver) {
    await store.automation.endObservation();
    await store.alerts.clear({ name: 'registry.restored', subject: 'registry' }, now);
  }
  return { due: due.length, asked, ended: isOver ? 1 : 0 };
}

async function askFor(submitter: SweepDeps['submitter'], sandboxId: string): Promise<boolean> {
  try {
    await submitter.change('inspect', sandboxId, {}, { requestedBy: REQUESTED_BY });
    return true;
  } catch (error) {
    // It is full of work, or ends just now: the next pass sees.
    if (isLifecycleError(error)) return false;
    throw error;
  }
}
