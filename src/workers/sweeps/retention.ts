/** Destroys sandboxes that were paused long ago and not used since, within the bounds of the brake. */
import { whyNotAutomatic } from '../../core/automation.ts';
import { decideRetention, RETENTION_LOOK_AGAIN_MS } from '../../core/retention.ts';
import type { Sandbox } from '../../core/sandbox.ts';
import { protectionOf } from '../../core/suspend-subject.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';
import { readEach } from './read-each.ts';

/** What one run looks at; the rest is due at the next and shows as backlog. */
const BATCH = 200;

export type RetentionCounts = Record<
  'due' | 'looked' | 'destroyed' | 'wouldDestroy' | 'refused' | 'braked' | 'crossed' | 'failed' | 'backlog',
  number
>;

export async function retention(
  deps: SweepDeps,
  { dryRun, signal }: SweepRunOptions,
): Promise<RetentionCounts> {
  const { store, nowMs } = deps;
  const counts: RetentionCounts = {
    due: 0,
    looked: 0,
    destroyed: 0,
    wouldDestroy: 0,
    refused: 0,
    braked: 0,
    crossed: 0,
    failed: 0,
    backlog: 0,
  };
  if (deps.idlePolicy.mode === 'off') return counts;
  const now = nowMs();
  const ids = await store.idle.due('retention', now, BATCH);
  counts.due = ids.length;
  const { found, failed } = await readEach(ids, store.reading.sandbox, deps.log);
  counts.failed = failed.length;
  // Held back to shadow, the one that is paused by mistake would be the next one destroyed by mistake.
  const isShadow = (await store.idle.gate())?.mode !== 'enforce';
  for (const id of ids) {
    if (signal.aborted) break;
    const sandbox = found.get(id);
    if (sandbox) {
      counts.looked += 1;
      await look(deps, sandbox, counts, { dryRun, isShadow });
    } else if (dryRun) continue;
    else if (failed.includes(id)) await store.idle.lookAgain('retention', id, now + RETENTION_LOOK_AGAIN_MS);
    else await store.idle.done('retention', id);
  }
  counts.backlog = dryRun ? 0 : await store.idle.dueCount('retention', nowMs());
  return counts;
}

async function look(
  deps: SweepDeps,
  sandbox: Sandbox,
  counts: RetentionCounts,
  { dryRun, isShadow }: { readonly dryRun: boolean; readonly isShadow: boolean },
): Promise<void> {
  const { store, idlePolicy, nowMs } = deps;
  const { id, state, version, createdAtMs, updatedAtMs, ttlFromMs } = sandbox;
  const now = nowMs();
  const [[activity], watch, automation] = await Promise.all([
    store.activity.read([id], now),
    store.idle.retentionWatch(id),
    store.automation.read(),
  ]);
  if (activity === undefined) return;
  const { lastActivity, heartbeat } = activity;
  // From before the registry was in doubt, nobody knows what was used.
  const stamps = [ttlFromMs, lastActivity?.atMs, heartbeat?.atMs, automation.distrustBeforeMs];
  const known = stamps.filter((stamp) => stamp !== undefined);
  const decided = decideRetention({
    state,
    version,
    protection: protectionOf(sandbox),
    stampsMs: [createdAtMs, updatedAtMs, ...known],
    ...(watch ? { watch } : {}),
    retainPausedMs: idlePolicy.retainPausedMs,
    nowMs: now,
  });
  if (decided.verdict === 'destroy') {
    const refusal = whyNotAutomatic('destroy', automation, sandbox);
    if (refusal !== undefined) counts.refused += 1;
    else await destroy(deps, sandbox, activity.sequence, decided.reason, counts, dryRun || isShadow);
  }
  if (dryRun) return;
  if (decided.verdict === 'done') return store.idle.done('retention', id);
  if (decided.verdict === 'keep' && decided.watch) await store.idle.watchRetention(id, decided.watch);
  await store.idle.lookAgain('retention', id, decided.lookAgainAtMs);
}

async function destroy(
  { store, submitter, nowMs }: SweepDeps,
  sandbox: Sandbox,
  sequence: number,
  reason: string,
  counts: RetentionCounts,
  onlyCount: boolean,
): Promise<void> {
  const { id, placement } = sandbox;
  if (onlyCount || placement === undefined) {
    counts.wouldDestroy += 1;
    return;
  }
  const now = nowMs();
  if (!(await store.automation.takeBrake(placement.provider, id, now))) {
    counts.braked += 1;
    return;
  }
  const operation = await submitter.changePinned('destroy', sandbox, sequence, {}, 'sweep retention');
  counts[operation ? 'destroyed' : 'crossed'] += 1;
  if (operation === undefined) return;
  const receipt = {
    sandboxId: id,
    by: 'retention',
    action: 'destroy',
    mode: 'enforce',
    rule: 'paused_long',
  } as const;
  await store.idle.keepReceipt({ ...receipt, reason, evidence: 'the latest of all its stamps counts' }, now);
}
