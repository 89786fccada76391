/**
 * Suspends what is known to be idle, or counts what it would have suspended. Reads only sandboxes that are due to
 * be looked at, decides with `decideIdleness`, and submits pauses that are pinned to what was read: any activity
 * since then leaves them without effect.
 */
import type { Activity } from '../../core/activity.ts';
import { whyNotAutomatic } from '../../core/automation.ts';
import { decideGate, GATE_DAYS } from '../../core/idle-episode.ts';
import { type LookPlan, planLook } from '../../core/idle-plan.ts';
import type { IdleMode } from '../../core/idle-policy.ts';
import { decideIdleness, type IdleVerdict } from '../../core/idleness.ts';
import { CAN_KEEP_MEMORY } from '../../core/provider-name.ts';
import type { Sandbox } from '../../core/sandbox.ts';
import { suspendSubject } from '../../core/suspend-subject.ts';
import { gateCounts, type IdleLook } from '../../store/idle.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';
import { readEach } from './read-each.ts';

/** One round trip each for records, activity and notes; some milliseconds of Redis. */
const BATCH = 100;
/** What one run looks at: more are left for the next tick, seconds later, and show as backlog. */
const MAX_LOOKS = 2_000;
/**
 * Suspends that one run submits for one storage. Each writes an image of twice the memory there and two run at a
 * time, so that more would only wait in the queue while their sandboxes are used again.
 */
const MAX_PER_PLACE = 4;

export type IdleSuspendCounts = Record<
  'due' | 'looked' | 'suspended' | 'wouldSuspend' | 'deferred' | 'refused' | 'crossed' | 'failed' | 'backlog',
  number
>;

export const IDLE_SUSPEND = 'idle-suspend';

export async function idleSuspend(deps: SweepDeps, options: SweepRunOptions): Promise<IdleSuspendCounts> {
  const { store, nowMs } = deps;
  const counts: IdleSuspendCounts = {
    due: 0,
    looked: 0,
    suspended: 0,
    wouldSuspend: 0,
    deferred: 0,
    refused: 0,
    crossed: 0,
    failed: 0,
    backlog: 0,
  };
  const mode = await passGate(deps, options);
  if (mode === 'off') return counts;
  const places = new Map<string, number>();
  const seen = new Set<string>();
  while (counts.looked < MAX_LOOKS && !options.signal.aborted) {
    const due = await store.activity.due(nowMs(), options.dryRun ? MAX_LOOKS : BATCH);
    const fresh = due.filter((id) => !seen.has(id));
    if (fresh.length === 0) break;
    counts.due += fresh.length;
    for (const id of fresh) seen.add(id);
    for (let from = 0; from < fresh.length && !options.signal.aborted; from += BATCH) {
      await lookAt({ ...deps, mode, places, counts, ...options }, fresh.slice(from, from + BATCH));
    }
    // What was deferred stays due, in front: the rest is for the next run.
    if (options.dryRun || counts.deferred >= BATCH) break;
  }
  counts.backlog = options.dryRun ? 0 : await store.activity.dueCount(nowMs());
  return counts;
}

/** The configured mode, unless `enforce` has yet to be earned. What it says is published for people. */
async function passGate(
  { store, idlePolicy, nowMs, log }: SweepDeps,
  { dryRun }: SweepRunOptions,
): Promise<IdleMode> {
  const now = nowMs();
  const counts = gateCounts(await store.idle.days(GATE_DAYS, now));
  const gate = decideGate(idlePolicy.mode, counts, idlePolicy.gate);
  if (dryRun) return gate.mode;
  const before = await store.idle.gate();
  if (before?.mode !== gate.mode) log.info({ idle: gate }, 'the mode of automatic suspension changed');
  await store.idle.publishGate({ ...gate, counts, atMs: now });
  const key = { name: 'idle.held_back', subject: 'idle-suspend' } as const;
  if (gate.heldBack === undefined) await store.alerts.clear(key, now);
  else {
    const remediation = 'Wait, or look into the regrets; IDLE_ENFORCE_UNPROVEN=true enforces all the same.';
    const message = `IDLE_MODE=enforce acts as shadow: ${gate.heldBack}`;
    await store.alerts.raise({ ...key, message, remediation }, now);
  }
  return gate.mode;
}

interface Pass extends SweepDeps, SweepRunOptions {
  readonly mode: Exclude<IdleMode, 'off'>;
  /** How many are submitted per place, in this run. */
  readonly places: Map<string, number>;
  readonly counts: IdleSuspendCounts;
}

async function lookAt(pass: Pass, ids: readonly string[]): Promise<void> {
  const { store, counts, nowMs } = pass;
  const now = nowMs();
  // Activity first: a decision is pinned to a sequence that is at most as new as what it rests on.
  const activities = await store.activity.read(ids, now);
  const records = await store.idle.records(ids);
  const { found, failed } = await readEach(ids, store.reading.sandbox, pass.log);
  const automation = await store.automation.read();
  const looks: IdleLook[] = [];
  const later: string[] = [];
  for (const [index, id] of ids.entries()) {
    const sandbox = found.get(id);
    const activity = activities[index];
    const subject = sandbox && suspendSubject(sandbox);
    if (sandbox === undefined || activity === undefined || subject === undefined) {
      later.push(id);
      continue;
    }
    counts.looked += 1;
    const record = records[index] ?? {};
    const { watch } = record;
    const { distrustBeforeMs } = automation;
    const verdict = decideIdleness({
      subject,
      activity,
      ...(watch ? { watch } : {}),
      policy: pass.idlePolicy,
      ...(distrustBeforeMs === undefined ? {} : { distrustBeforeMs }),
      nowMs: now,
    });
    const place = placeOf(sandbox);
    const taken = pass.places.get(place) ?? 0;
    const refusal = whyNotAutomatic('pause', automation, sandbox);
    const plan = planLook({
      verdict,
      activity,
      record,
      mode: pass.mode,
      isPlaceFull: taken >= MAX_PER_PLACE,
      ...(refusal === undefined ? {} : { refusal }),
      nowMs: now,
    });
    if (plan.action === 'suspend') pass.places.set(place, taken + 1);
    looks.push({
      sandboxId: id,
      provider: subject.provider,
      plan: await carryOut(pass, sandbox, activity, verdict, plan),
    });
  }
  counts.failed += failed.length;
  if (pass.dryRun) return;
  await store.idle.note(looks, now);
  for (const id of later) await store.activity.lookAgain(id, now + LOOK_AGAIN_FAILED_MS);
}

/** Rarer than a batch of healthy ones, so that records which are gone or cannot be read leave them room. */
const LOOK_AGAIN_FAILED_MS = 5 * 60_000;

/** Returns what is to be remembered: a pause that somebody came before leaves no episode. */
async function carryOut(
  { store, submitter, counts, dryRun, nowMs }: Pass,
  sandbox: Sandbox,
  activity: Activity,
  verdict: IdleVerdict,
  plan: LookPlan,
): Promise<LookPlan> {
  switch (plan.action) {
    case 'none':
      return plan;
    case 'deferred':
    case 'refused':
      counts[plan.action] += 1;
      return plan;
    case 'would_suspend':
      if (plan.isNew) counts.wouldSuspend += 1;
      break;
    case 'suspend': {
      if (dryRun) {
        counts.wouldSuspend += 1;
        return plan;
      }
      const provider = sandbox.placement?.provider ?? 'morph';
      const options = { requiresRamSnapshot: CAN_KEEP_MEMORY[provider] };
      const by = `sweep ${IDLE_SUSPEND}`;
      const operation = await submitter.changePinned('pause', sandbox, activity.sequence, options, by);
      if (operation === undefined) {
        counts.crossed += 1;
        return { ...plan, record: {}, counts: { suspended: 0, savedMs: 0, usedAgain: 0 } };
      }
      counts.suspended += 1;
    }
  }
  if (plan.isNew && !dryRun) {
    const { rule, reason, observed } = verdict;
    const evidence = observed.map(({ what, atMs, detail }) => `${what} ${stamp(atMs)}: ${detail}`).join('; ');
    const receipt = {
      sandboxId: sandbox.id,
      by: IDLE_SUSPEND,
      action: 'pause',
      mode: plan.mode,
      rule,
      reason,
    } as const;
    await store.idle.keepReceipt({ ...receipt, evidence }, nowMs());
  }
  return plan;
}

function stamp(atMs: number | undefined): string {
  return atMs === undefined ? 'never' : new Date(atMs).toISOString();
}

/** Where its memory is written to: a node's storages on Proxmox, the account elsewhere. */
function placeOf({ placement }: Sandbox): string {
  return `${placement?.provider}/${placement?.node ?? ''}`;
}
