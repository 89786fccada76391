/**
 * Carries out what reconciliation decided: records are written under guards, whatever concerns a sandbox goes
 * through an `inspect` operation, and nothing here changes a guest at its provider.
 */
import { brakeLimit } from '../../core/automation.ts';
import type { Guest, GuestRef } from '../../core/guest.ts';
import { isLifecycleError } from '../../core/lifecycle-error.ts';
import type { Verdict } from '../../core/reconcile.ts';
import type { Sandbox } from '../../core/sandbox.ts';
import type { GuestObservation } from '../../providers/provider.ts';
import { isProviderError } from '../../providers/provider-error.ts';
import { stateFromObservation } from '../observed-state.ts';
import type { SweepDeps } from '../sweep.ts';
import type { CloserLookDeps } from './closer-look.ts';
import type { World } from './read-world.ts';

export type ReconcileDeps = CloserLookDeps & Pick<SweepDeps, 'submitter' | 'log'>;

export type ReconcileCounts = Record<
  | 'looked'
  | 'adopted'
  | 'unowned'
  | 'forgotten'
  | 'inspected'
  | 'suspected'
  | 'drifted'
  | 'stopped'
  | 'failed',
  number
>;

/** Questions asked of the provider in one pass; what is left comes in the next. */
const ASKED_PER_PASS = 40;
const REQUESTED_BY = 'the sweep reconcile-provider';

export function emptyCounts(): ReconcileCounts {
  return {
    looked: 0,
    adopted: 0,
    unowned: 0,
    forgotten: 0,
    inspected: 0,
    suspected: 0,
    drifted: 0,
    stopped: 0,
    failed: 0,
  };
}

export async function carryOut(
  deps: ReconcileDeps,
  world: World,
  verdicts: readonly Verdict[],
  counts: ReconcileCounts,
): Promise<void> {
  counts.looked += world.seen.length;
  const suspects = verdicts.filter(({ verdict }) => verdict === 'suspect').length;
  if (!deps.dryRun) {
    const running = runningAsRecorded(world, verdicts);
    await remindOfRenewals(deps, world, running);
    await passCountersOn(deps, world, running);
  }
  const areTooMany = await judgeLosses(deps, world, suspects, counts);
  let asked = 0;
  for (const verdict of verdicts) {
    deps.call.signal.throwIfAborted();
    if (verdict.verdict === 'suspect' && areTooMany) continue;
    const asks = ASKS.has(verdict.verdict);
    if (asks && asked >= ASKED_PER_PASS) continue;
    if (asks) asked += 1;
    await carryOutOne(deps, world, verdict, counts);
  }
}

const ASKS: ReadonlySet<Verdict['verdict']> = new Set(['inspect', 'suspect', 'suspect_unowned']);

/** Guest ids with their sandboxes. */
function runningAsRecorded(world: World, verdicts: readonly Verdict[]): ReadonlyMap<string, string> {
  return new Map(
    verdicts.flatMap((verdict) =>
      verdict.verdict === 'consistent' && world.sandboxes.get(verdict.guest.sandboxId)?.state === 'running'
        ? [[verdict.guest.id, verdict.guest.sandboxId] as const]
        : [],
    ),
  );
}

/** An entry of the index that was lost comes back; whose settings somebody changed is due at once. */
async function remindOfRenewals(
  { store, provider, nowMs }: ReconcileDeps,
  world: World,
  running: ReadonlyMap<string, string>,
): Promise<void> {
  if (provider.configure === undefined) return;
  const differing = world.seen.flatMap(({ ref, settingsDiffer }) =>
    settingsDiffer && running.has(ref.guestId) ? [ref.guestId] : [],
  );
  await store.renewals.remind([...running.keys()], 'if_missing', nowMs);
  await store.renewals.remind(differing, 'at_once', nowMs);
}

/** What the list tells of use, for the decision whether a sandbox is idle; nothing more is asked. */
async function passCountersOn(
  { store, nowMs }: ReconcileDeps,
  world: World,
  running: ReadonlyMap<string, string>,
): Promise<void> {
  const counters = world.seen.flatMap(({ ref, counters }) => {
    const sandboxId = running.get(ref.guestId);
    return counters && sandboxId !== undefined ? [[sandboxId, { ...counters, atMs: nowMs }] as const] : [];
  });
  await store.activity.observe(new Map(counters), nowMs);
}

/** Many at once are rather a wrong list, lost rights or a wrong address than many losses. */
async function judgeLosses(
  { store, provider, nowMs, dryRun }: ReconcileDeps,
  world: World,
  suspects: number,
  counts: ReconcileCounts,
): Promise<boolean> {
  const key = { name: 'sandboxes.lost', subject: provider.name } as const;
  const bound = brakeLimit(world.inventorySize);
  if (suspects <= bound) {
    if (!dryRun) await store.alerts.clear(key, nowMs);
    return false;
  }
  counts.stopped += 1;
  if (!dryRun) await store.alerts.raise({ ...key, ...describeLosses(suspects, world.inventorySize) }, nowMs);
  return true;
}

function describeLosses(suspects: number, size: number) {
  return {
    message: `${suspects} of ${size} guests are not in the provider's list; none of them was called lost`,
    remediation:
      'Check the rights of the token and PVE_NODE (cmux-lifecycle doctor), and whether the guests are there.',
  };
}

async function carryOutOne(
  deps: ReconcileDeps,
  world: World,
  verdict: Verdict,
  counts: ReconcileCounts,
): Promise<void> {
  const { store, provider, nowMs, dryRun } = deps;
  const write = async (name: keyof ReconcileCounts, act: () => Promise<boolean>) => {
    if (dryRun || (await act())) counts[name] += 1;
  };
  switch (verdict.verdict) {
    case 'adopt':
    case 'record_unowned': {
      const { seen, receipt } = verdict;
      const { marker, ref } = seen;
      if (marker === undefined) return;
      const found = { ref, marker, failureDomain: provider.failureDomain };
      const sandbox = world.sandboxes.get(marker.sandbox);
      if (verdict.verdict === 'adopt' && sandbox) {
        return write('adopted', () => store.inventory.adopt(found, sandbox, receipt, nowMs));
      }
      return write('unowned', async () => {
        if (!(await store.inventory.recordUnowned(found, receipt, nowMs))) return false;
        if (verdict.verdict === 'record_unowned' && verdict.isNewer) await doubt(deps, ref, receipt);
        return true;
      });
    }
    case 'disown': {
      const { guest, ref, receipt } = verdict;
      // Records are read after the list: it may have gone in between.
      if (guest.state === 'gone' && !(await isThere(deps, ref))) return undefined;
      const sandbox = world.sandboxes.get(guest.sandboxId);
      return write('unowned', () => store.inventory.disown(guest, sandbox, receipt, nowMs));
    }
    case 'discard':
      return dryRun ? undefined : store.inventory.remindOfCondemned(verdict.guest.id, nowMs);
    case 'inspect':
      return lookAgain(deps, verdict.sandbox, world, verdict.receipt, counts);
    case 'suspect':
      return followSuspicion(deps, verdict.sandbox, verdict.guest, verdict.receipt, counts);
    case 'suspect_unowned': {
      const found = await ask(deps, verdict.guest.ref);
      if (found?.condition !== 'gone') return undefined;
      return write('forgotten', () => store.inventory.forgetUnowned(verdict.guest, nowMs));
    }
    case 'drifted':
      return tellOfDrift(deps, verdict.guest, verdict.receipt, counts);
    case 'consistent': {
      const key = { name: 'guests.drifted', subject: verdict.guest.id } as const;
      if (verdict.isRead && !dryRun && world.drifted.has(verdict.guest.id))
        await store.alerts.clear(key, nowMs);
      return undefined;
    }
  }
}

/** The registry is not the whole truth: nothing automatic until an operator has looked. */
async function doubt({ store, nowMs }: ReconcileDeps, { guestId }: GuestRef, receipt: string): Promise<void> {
  const reason = `${guestId} is not known here: ${receipt}`;
  await store.automation.enterAdoptOnly(reason, nowMs);
  await store.alerts.raise(
    {
      name: 'registry.incomplete',
      subject: 'registry',
      message: reason,
      remediation: 'cmux-lifecycle rebuild, or cmux-lifecycle confirm when the registry is right as it is',
    },
    nowMs,
  );
}

/** A list is late: only when the guest itself says so is an operation submitted. */
async function lookAgain(
  deps: ReconcileDeps,
  sandbox: Sandbox,
  world: World,
  receipt: string,
  counts: ReconcileCounts,
): Promise<void> {
  const guest = world.guests.get(sandbox.placement?.guestId ?? '');
  const found = await ask(deps, guest?.ref);
  if (guest === undefined || found === undefined) return;
  const { store, nowMs, dryRun } = deps;
  if (found.condition === 'stuck' && !dryRun) await tellOfStuck(deps, guest, found);
  const now = stateFromObservation(found, receipt)?.sandbox;
  if (now === undefined || (now.state === sandbox.state && now.preservesRam === sandbox.preservesRam)) return;
  counts.inspected += 1;
  if (dryRun) return;
  await store.inventory.note(guest, 'inspected', receipt, nowMs);
  await submitInspect(deps, sandbox);
}

async function followSuspicion(
  deps: ReconcileDeps,
  sandbox: Sandbox,
  guest: Guest,
  receipt: string,
  counts: ReconcileCounts,
): Promise<void> {
  const { store, provider, nowMs, dryRun } = deps;
  const found = await ask(deps, guest.ref);
  if (found === undefined) return;
  if (found.condition !== 'gone') {
    if (found.marker === undefined) await tellOfDrift(deps, guest, found.detail, counts);
    return;
  }
  counts.suspected += 1;
  if (dryRun) return;
  if (!(await store.automation.takeLost(provider.name, guest.id, nowMs))) {
    counts.stopped += 1;
    const key = { name: 'sandboxes.lost', subject: provider.name } as const;
    const message = `${guest.id} is gone too, and as many as are plausible were found lost within this hour`;
    await store.alerts.raise({ ...key, ...describeLosses(1, 0), message }, nowMs);
    return;
  }
  await store.inventory.note(guest, 'suspected', `${receipt}; ${found.detail}`, nowMs);
  await submitInspect(deps, sandbox);
}

async function tellOfDrift(
  { store, nowMs, dryRun }: ReconcileDeps,
  guest: Guest,
  receipt: string,
  counts: ReconcileCounts,
): Promise<void> {
  counts.drifted += 1;
  if (dryRun) return;
  const isNew = await store.alerts.raise(
    {
      name: 'guests.drifted',
      subject: guest.id,
      message: `${guest.id} (${guest.ref?.nativeId ?? 'not seen yet'}): ${receipt}`,
      remediation: `Give it back its name ${guest.id} and the cmux-lifecycle line of its description, or remove it by hand.`,
    },
    nowMs,
  );
  if (isNew) await store.inventory.note(guest, 'drifted', receipt, nowMs);
}

async function tellOfStuck(
  { store, nowMs }: ReconcileDeps,
  guest: Guest,
  { detail, remediation }: GuestObservation,
): Promise<void> {
  await store.alerts.raise(
    {
      name: 'guests.stuck',
      subject: guest.id,
      message: `${guest.id} is stuck: ${detail}`,
      ...(remediation === undefined ? {} : { remediation }),
    },
    nowMs,
  );
}

async function ask(
  { provider, call }: ReconcileDeps,
  ref: GuestRef | undefined,
): Promise<GuestObservation | undefined> {
  if (ref === undefined) return undefined;
  try {
    return await provider.inspect(ref, call);
  } catch (error) {
    if (isProviderError(error)) return undefined;
    throw error;
  }
}

async function isThere(deps: ReconcileDeps, ref: GuestRef): Promise<boolean> {
  const found = await ask(deps, ref);
  return found !== undefined && found.condition !== 'gone';
}

async function submitInspect({ submitter }: ReconcileDeps, { id }: Sandbox): Promise<void> {
  try {
    await submitter.change('inspect', id, {}, { requestedBy: REQUESTED_BY });
  } catch (error) {
    // It ended, or is full of work, since it was read: then nothing needs to be asked.
    if (!isLifecycleError(error)) throw error;
  }
}
