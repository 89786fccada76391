/** Everything the decision needs, in bounded reads; the records after the list, so that they are never older. */
import type { ReconcileInput } from '../../core/reconcile.ts';
import type { Inventory } from '../../store/inventory.ts';
import { RETENTION_MS } from '../../store/keys.ts';
import { type CloserLookDeps, lookCloser } from './closer-look.ts';

/** Fifty times the design point; a larger inventory is looked at from its oldest end. */
const MAX_INVENTORY = 50_000;
/** Lists are up to ten seconds late, and a guest has no tags in its first seconds (visibility bound 35 s). */
const LIST_LAG_MS = 60_000;

export interface World extends ReconcileInput {
  readonly inventorySize: number;
  /** Guests of which an alert tells that they drifted. */
  readonly drifted: ReadonlySet<string>;
}

export async function readWorld(deps: CloserLookDeps): Promise<World> {
  const { store, provider, call, nowMs, deployment } = deps;
  const listed = await provider.list(call);
  const inventory = await store.reading.inventory(provider.name, MAX_INVENTORY);
  const ids = [...new Set([...inventory, ...listed.map(({ ref }) => ref.guestId)])];
  const records = await store.inventory.guests(ids);
  const readable = listed.filter(({ ref }) => !records.unreadable.has(ref.guestId));
  const known = [...records.found.values()].filter(({ state }) => state !== 'gone');
  const seen = await lookCloser(deps, readable, {
    guestIds: new Set(records.found.keys()),
    nativeIds: new Set(known.flatMap(({ ref }) => ref?.nativeId ?? [])),
  });

  // Read anew: a start may have ended meanwhile, and its guest with it.
  const { found: guests } = await store.inventory.guests(ids);
  const sandboxes = await readSandboxes(store.inventory, [
    ...[...guests.values()].map(({ sandboxId }) => sandboxId),
    ...seen.flatMap(({ marker }) => marker?.sandbox ?? []),
  ]);
  const unknown = seen.filter(({ ref }) => !guests.has(ref.guestId));
  const operations = new Set(unknown.flatMap(({ marker }) => marker?.operation ?? []));
  return {
    deployment,
    installs: await store.automation.ownInstalls(),
    seen,
    guests,
    ...sandboxes,
    attempts: await store.inventory.attempts([...operations]),
    nowMs,
    listLagMs: LIST_LAG_MS,
    retentionMs: RETENTION_MS,
    inventorySize: inventory.length,
    drifted: new Set(
      (await store.alerts.active()).flatMap((alert) =>
        alert.name === 'guests.drifted' ? [alert.subject] : [],
      ),
    ),
  };
}

async function readSandboxes(inventory: Inventory, ids: readonly string[]) {
  const wanted = [...new Set(ids)];
  const { found, unreadable } = await inventory.sandboxes(wanted);
  // After the records: what begins later finds them as they were, and every write is guarded by their version.
  const busy = await inventory.busy(wanted);
  return { sandboxes: found, busy: new Set([...busy, ...unreadable]) };
}
