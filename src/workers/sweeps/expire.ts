/** Ends what its caller gave a time to live: a pause once nobody works in it, or a destroy. */
import { whyNotAutomatic } from '../../core/automation.ts';
import { decideExpiry, EXPIRY_LOOK_LATER_MS } from '../../core/expiry.ts';
import { CAN_KEEP_MEMORY } from '../../core/provider-name.ts';
import { expiresAtMs, isEnded, type Sandbox } from '../../core/sandbox.ts';
import { protectionOf } from '../../core/suspend-subject.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';
import { readEach } from './read-each.ts';

/** What one run looks at; the rest is due at the next, seconds later, and shows as backlog. */
const BATCH = 200;

export type ExpireCounts = Record<
  'due' | 'looked' | 'paused' | 'destroyed' | 'refused' | 'crossed' | 'failed' | 'backlog',
  number
>;

export async function expire(deps: SweepDeps, { dryRun, signal }: SweepRunOptions): Promise<ExpireCounts> {
  const { store, nowMs } = deps;
  const now = nowMs();
  const counts: ExpireCounts = {
    due: 0,
    looked: 0,
    paused: 0,
    destroyed: 0,
    refused: 0,
    crossed: 0,
    failed: 0,
    backlog: 0,
  };
  const ids = await store.idle.due('expiry', now, BATCH);
  counts.due = ids.length;
  const { found, failed } = await readEach(ids, store.reading.sandbox, deps.log);
  counts.failed = failed.length;
  for (const id of ids) {
    if (signal.aborted) break;
    const sandbox = found.get(id);
    if (sandbox) counts.looked += 1;
    if (sandbox && !isEnded(sandbox.state)) await look(deps, sandbox, counts, dryRun);
    else if (!dryRun && failed.includes(id))
      await store.idle.lookAgain('expiry', id, now + EXPIRY_LOOK_LATER_MS);
    else if (!dryRun) await store.idle.done('expiry', id);
  }
  counts.backlog = dryRun ? 0 : await store.idle.dueCount('expiry', nowMs());
  return counts;
}

async function look(deps: SweepDeps, sandbox: Sandbox, counts: ExpireCounts, dryRun: boolean): Promise<void> {
  const { store, submitter, nowMs } = deps;
  const { id, placement, request, state } = sandbox;
  const now = nowMs();
  const [activity] = await store.activity.read([id], now);
  if (activity === undefined) return;
  const decided = decideExpiry({
    state,
    ...(placement ? { provider: placement.provider } : {}),
    protection: protectionOf(sandbox),
    expiresAtMs: expiresAtMs(sandbox),
    onExpiry: request.onExpiry,
    requiresRamSnapshot: request.requiresRamSnapshot,
    activity,
    nowMs: now,
  });
  if (decided.verdict === 'done') return dryRun ? undefined : store.idle.done('expiry', id);
  if (decided.verdict !== 'wait') {
    const refusal = whyNotAutomatic(decided.verdict, await store.automation.read(), sandbox);
    if (refusal !== undefined) counts.refused += 1;
    else if (dryRun) counts[DONE[decided.verdict]] += 1;
    else {
      const options =
        decided.verdict === 'pause' && placement
          ? { requiresRamSnapshot: CAN_KEEP_MEMORY[placement.provider] || request.requiresRamSnapshot }
          : {};
      const operation = await submitter.changePinned(
        decided.verdict,
        sandbox,
        activity.sequence,
        options,
        'sweep expire',
      );
      counts[operation ? DONE[decided.verdict] : 'crossed'] += 1;
      if (operation) {
        const evidence = activity.lastActivity
          ? `last activity: ${activity.lastActivity.what}`
          : 'no activity';
        const { reason, verdict: action } = decided;
        const receipt = {
          sandboxId: id,
          by: 'expire',
          action,
          mode: 'enforce',
          rule: 'expired',
          reason,
        } as const;
        await store.idle.keepReceipt({ ...receipt, evidence }, now);
      }
    }
  }
  if (!dryRun) await store.idle.lookAgain('expiry', id, decided.lookAgainAtMs);
}

const DONE = { pause: 'paused', destroy: 'destroyed' } as const;
