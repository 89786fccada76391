/**
 * `cmux-lifecycle rebuild`: the registry anew from the markers that guests carry, after Redis was lost or an old
 * dump restored. Asks the providers, changes nothing there, and writes nothing without `apply`.
 */
import type { Endpoint } from '../core/guest.ts';
import { LifecycleError } from '../core/lifecycle-error.ts';
import {
  installsOf,
  type MarkedGuest,
  NOT_RESTORED,
  planRebuild,
  type RebuildPlan,
  type Restoration,
} from '../core/rebuild.ts';
import type { ListedGuest, Provider, ProviderCall } from '../providers/provider.ts';
import { isProviderError } from '../providers/provider-error.ts';
import type { Store } from '../store/store.ts';
import { readOnlyCall } from '../workers/reconcile/read-only-call.ts';

export interface RebuildDeps {
  readonly store: Store;
  readonly providers: readonly Provider[];
  readonly deployment: string;
  readonly nowMs: () => number;
  /** Whatever else is kept besides Redis, such as the ledger's files; answers lines for the report. */
  readonly replay?: (options: ReplayOptions) => Promise<readonly string[]>;
}

export interface ReplayOptions {
  readonly apply: boolean;
  /** Guests that were met; complete only when no provider was silent. */
  readonly guestIds: ReadonlySet<string>;
  readonly isComplete: boolean;
}

export interface RebuildOptions {
  readonly apply: boolean;
  /** Which installations' guests are ours; needed when markers name several. */
  readonly installs: readonly string[];
  readonly signal: AbortSignal;
}

export interface RebuildReport {
  readonly applied: boolean;
  readonly plan: RebuildPlan;
  /** Installation → guests, of this deployment's name. */
  readonly installs: Readonly<Record<string, number>>;
  /** Sandboxes whose record was written. */
  readonly restored: readonly string[];
  /** Providers that did not answer: their guests are missing here. */
  readonly silent: readonly string[];
  readonly notRestored: readonly string[];
  readonly replayed: readonly string[];
}

/** @throws `LifecycleError` `invalid_request` when it is not clear whose guests are ours */
export async function rebuild(deps: RebuildDeps, options: RebuildOptions): Promise<RebuildReport> {
  const { store, deployment } = deps;
  const call = readOnlyCall(options.signal, 'rebuild');
  const { found, silent } = await findMarked(deps, call);
  const counted = installsOf(deployment, found);
  const installs = chooseInstalls(await store.automation.ownInstalls(), counted, options);

  const records = await readRecords(store, found);
  const plan = planRebuild({ deployment, installs, found, ...records });
  const restored = options.apply ? await apply(deps, plan, installs, call) : [];
  return {
    applied: options.apply,
    plan,
    installs: Object.fromEntries(counted),
    restored,
    silent,
    notRestored: NOT_RESTORED,
    replayed:
      (await deps.replay?.({
        apply: options.apply,
        guestIds: new Set(found.map(({ ref }) => ref.guestId)),
        isComplete: silent.length === 0,
      })) ?? [],
  };
}

/** One loss leaves one earlier installation behind. Several mean that somebody else may use our name. */
function chooseInstalls(
  own: ReadonlySet<string>,
  counted: ReadonlyMap<string, number>,
  { apply: applies, installs: named }: RebuildOptions,
): ReadonlySet<string> {
  const others = [...counted.keys()].filter((install) => !own.has(install));
  if (named.length > 0) return new Set([...own, ...named]);
  if (others.length > 1 && applies) {
    const shown = others.map((install) => `${install} (${counted.get(install)} guests)`).join(', ');
    throw new LifecycleError({
      code: 'invalid_request',
      retryable: false,
      message: `guests of several installations carry this deployment's name: ${shown}`,
      remediation: 'Name those that are ours: --install <id>, once for each.',
    });
  }
  return new Set([...own, ...others]);
}

/** Proxmox answers each within some ten milliseconds; more at once would only compete with those at work. */
const READ_AT_ONCE = 8;

async function findMarked({ providers }: RebuildDeps, call: ProviderCall) {
  const found: MarkedGuest[] = [];
  const silent: string[] = [];
  for (const provider of providers) {
    try {
      const listed = await provider.list(call);
      for (let at = 0; at < listed.length; at += READ_AT_ONCE) {
        const some = listed.slice(at, at + READ_AT_ONCE);
        const read = await Promise.all(some.map((guest) => readMarked(provider, guest, call)));
        found.push(...read.filter((marked) => marked !== undefined));
      }
    } catch (error) {
      if (!isProviderError(error)) throw error;
      silent.push(`${provider.name}: ${error.report.message}`);
    }
  }
  return { found, silent };
}

/** Each is asked for by itself: a list is late, and on Proxmox it carries no markers. */
async function readMarked(
  provider: Provider,
  { ref }: ListedGuest,
  call: ProviderCall,
): Promise<MarkedGuest | undefined> {
  const { marker, condition, remediation } = await provider.inspect(ref, call);
  if (marker === undefined) return undefined;
  return {
    ref,
    marker,
    condition,
    failureDomain: provider.failureDomain,
    preservesRam: provider.capabilities.preservesRam,
    simulated: provider.simulated,
    ...(remediation === undefined ? {} : { remediation }),
  };
}

async function readRecords({ inventory }: Store, found: readonly MarkedGuest[]) {
  const guests = await inventory.guests(found.map(({ ref }) => ref.guestId));
  const sandboxIds = [...new Set(found.map(({ marker }) => marker.sandbox))];
  const sandboxes = await inventory.sandboxes(sandboxIds);
  const busy = await inventory.busy(sandboxIds);
  // What cannot be read is left alone like what is at work.
  return {
    guests: guests.found,
    sandboxes: sandboxes.found,
    busy: new Set([...busy, ...sandboxes.unreadable]),
  };
}

async function apply(
  { store, providers, nowMs }: RebuildDeps,
  plan: RebuildPlan,
  installs: ReadonlySet<string>,
  call: ProviderCall,
): Promise<readonly string[]> {
  await store.automation.addOwnInstalls([...installs]);
  const restored: string[] = [];
  for (const restoration of plan.restore) {
    const reached = await findAddress(providers, restoration, call);
    if (await store.restoring.restore(restoration, reached, nowMs())) {
      restored.push(restoration.guest.marker.sandbox);
    }
  }
  for (const { guest, reason } of plan.unowned) {
    await store.inventory.recordUnowned(guest, reason, nowMs());
  }
  await store.automation.endAdoptOnly();
  await store.alerts.clear({ name: 'registry.incomplete', subject: 'registry' }, nowMs());
  return restored;
}

/** A guest that runs is asked for its address, by the call that resumes others and changes nothing here. */
async function findAddress(
  providers: readonly Provider[],
  { guest, state }: Restoration,
  call: ProviderCall,
): Promise<{ readonly hostname: string; readonly endpoints: readonly Endpoint[] }> {
  const unknown = { hostname: guest.ref.guestId, endpoints: [] };
  const provider = providers.find(({ name }) => name === guest.ref.provider);
  if (state !== 'running' || provider === undefined) return unknown;
  try {
    const { facts } = await provider.resume(guest.ref, { allowColdBoot: false }, call);
    return { hostname: facts.hostname, endpoints: facts.endpoints };
  } catch {
    // It stopped meanwhile, or hides its address: its next resume finds out.
    call.signal.throwIfAborted();
    return unknown;
  }
}
