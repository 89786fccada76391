/**
 * Compares what each provider shows with what the registry says, and brings the registry in line; what the
 * registry does not know is shown and left alone. The decision is `core/reconcile.ts`.
 */
import { reconcile } from '../../core/reconcile.ts';
import type { Provider } from '../../providers/provider.ts';
import { isProviderError } from '../../providers/provider-error.ts';
import { carryOut, emptyCounts, type ReconcileCounts, type ReconcileDeps } from '../reconcile/carry-out.ts';
import { readOnlyCall } from '../reconcile/read-only-call.ts';
import { readWorld, type World } from '../reconcile/read-world.ts';
import type { SweepDeps, SweepRunOptions } from '../sweep.ts';

/** One list and some hundred reads; a provider that needs longer is asked again by the next pass. */
const PASS_TIMEOUT_MS = 50_000;
/** Named in an alert; the API lists all. */
const NAMED_UNOWNED = 5;
const MOST_UNOWNED = 1_000;

export async function reconcileProviders(
  deps: SweepDeps,
  { dryRun, signal }: SweepRunOptions,
): Promise<ReconcileCounts> {
  const counts = emptyCounts();
  for (const provider of deps.providers) {
    const passSignal = AbortSignal.any([signal, AbortSignal.timeout(PASS_TIMEOUT_MS)]);
    try {
      await reconcileOne(deps, provider, dryRun, passSignal, counts);
    } catch (error) {
      signal.throwIfAborted();
      if (!isProviderError(error) && !passSignal.aborted) throw error;
      // Its breaker and its status tell of it; the others must not wait for it.
      counts.failed += 1;
      deps.log.debug({ provider: provider.name, err: error }, 'could not be reconciled');
    }
  }
  return counts;
}

async function reconcileOne(
  { store, submitter, log, nowMs, deployment }: SweepDeps,
  provider: Provider,
  dryRun: boolean,
  signal: AbortSignal,
  counts: ReconcileCounts,
): Promise<void> {
  const call = readOnlyCall(signal, 'reconciliation');
  const deps = { store, submitter, log, provider, call, deployment, nowMs: nowMs(), dryRun };
  const world = await readWorld(deps);
  await carryOut(deps, world, reconcile(world), counts);
  if (dryRun) return;
  await tellOfUnowned(deps);
  await clearWhatIsOver(deps, world);
}

async function tellOfUnowned({ store, provider, nowMs }: ReconcileDeps): Promise<void> {
  const key = { name: 'guests.unowned', subject: provider.name } as const;
  const unowned = (await store.inventory.unowned(MOST_UNOWNED)).filter(
    (guest) => guest.provider === provider.name,
  );
  if (unowned.length === 0) {
    await store.alerts.clear(key, nowMs);
    return;
  }
  const names = unowned.slice(0, NAMED_UNOWNED).map(({ id, ref }) => `${id} (${ref?.nativeId ?? '?'})`);
  const more = unowned.length > names.length ? ` and ${unowned.length - names.length} more` : '';
  await store.alerts.raise(
    {
      ...key,
      message: `nobody answers for ${names.join(', ')}${more}`,
      remediation:
        'cmux-lifecycle rebuild shows which sandboxes they hold; remove by hand, at the provider, what nobody needs.',
    },
    nowMs,
  );
}

/** Of guests that are gone, or stuck no more; drift that is still there was raised again in this pass. */
async function clearWhatIsOver({ store, provider, nowMs }: ReconcileDeps, world: World): Promise<void> {
  for (const { name, subject } of await store.alerts.active()) {
    if (name !== 'guests.drifted' && name !== 'guests.stuck') continue;
    if (!subject.startsWith(provider.guestIdPrefix)) continue;
    const guest = world.guests.get(subject);
    const sandbox = guest && world.sandboxes.get(guest.sandboxId);
    const isGone = guest === undefined || guest.state === 'gone';
    const isFree = name === 'guests.stuck' && sandbox?.state !== 'stuck' && guest?.state !== 'stuck';
    if (isGone || isFree) await store.alerts.clear({ name, subject }, nowMs);
  }
}
