/**
 * What a list does not tell. Proxmox lists names without markers, so guests without a record are read one by
 * one, and of the known ones a few per pass in turn. Bounded, and what was found to be somebody else's is not
 * read again for a while, so that another deployment's thousand guests cost nothing.
 */
import { createdAtOfId } from '../../core/ids.ts';
import type { SeenGuest } from '../../core/reconcile.ts';
import type { GuestObservation, ListedGuest, Provider, ProviderCall } from '../../providers/provider.ts';
import { isProviderError } from '../../providers/provider-error.ts';
import type { Store } from '../../store/store.ts';

/** Two reads each: some five seconds of a pass at most. */
const STRANGERS_PER_PASS = 50;
const KNOWN_PER_PASS = 20;
const FOREIGN_FOR_MS = 15 * 60_000;

export interface CloserLookDeps {
  readonly store: Store;
  readonly provider: Provider;
  readonly call: ProviderCall;
  readonly nowMs: number;
  /** The deployment's name, as markers carry it. */
  readonly deployment: string;
  /** Remembers nothing of what it looked at. */
  readonly dryRun: boolean;
}

/** Those that the registry knows, by either of their names. */
export interface Recorded {
  readonly guestIds: ReadonlySet<string>;
  readonly nativeIds: ReadonlySet<string>;
}

export async function lookCloser(
  deps: CloserLookDeps,
  listed: readonly ListedGuest[],
  recorded: Recorded,
): Promise<readonly SeenGuest[]> {
  const { store, provider, nowMs } = deps;
  const foreign = await store.inventory.foreign(provider.name, nowMs - FOREIGN_FOR_MS);
  const isKnown = ({ ref }: ListedGuest) =>
    recorded.guestIds.has(ref.guestId) || recorded.nativeIds.has(ref.nativeId);
  const strangers = listed.filter(
    (guest) => !isKnown(guest) && guest.marker === undefined && !foreign.has(nameOf(guest)),
  );
  const unread = new Set(strangers.slice(0, STRANGERS_PER_PASS));
  const inTurn = await takeInTurn(deps, listed, recorded);

  const seen: SeenGuest[] = [];
  for (const guest of listed) {
    if (unread.has(guest)) seen.push(...(await readStranger(deps, guest)));
    else if (inTurn.has(guest)) seen.push(await readKnown(deps, guest));
    else seen.push(withTime(guest));
  }
  return seen;
}

/** Known guests whose marker the list does not carry, each in its turn, by the order of their ids. */
async function takeInTurn(
  { store, provider, dryRun }: CloserLookDeps,
  listed: readonly ListedGuest[],
  recorded: Recorded,
): Promise<ReadonlySet<ListedGuest>> {
  const known = listed
    .filter(({ ref, marker }) => recorded.guestIds.has(ref.guestId) && marker === undefined)
    .toSorted((a, b) => (a.ref.guestId < b.ref.guestId ? -1 : 1));
  const last = await store.inventory.lastRead(provider.name);
  const after = known.filter(({ ref }) => ref.guestId > last);
  const turn = (after.length > 0 ? after : known).slice(0, KNOWN_PER_PASS);
  const newLast = turn.at(-1)?.ref.guestId;
  if (newLast !== undefined && !dryRun) await store.inventory.setLastRead(provider.name, newLast);
  return new Set(turn);
}

async function readStranger(deps: CloserLookDeps, guest: ListedGuest): Promise<readonly SeenGuest[]> {
  const found = await inspect(deps, guest);
  if (found?.marker?.deployment === deps.deployment) return [withTime({ ...guest, marker: found.marker })];
  // Without an answer it is looked at again in the next pass.
  if (found && !deps.dryRun)
    await deps.store.inventory.rememberForeign(deps.provider.name, nameOf(guest), deps.nowMs);
  return [];
}

async function readKnown(deps: CloserLookDeps, guest: ListedGuest): Promise<SeenGuest> {
  const found = await inspect(deps, guest);
  if (found === undefined || found.condition === 'gone') return guest;
  if (found.marker) return withTime({ ...guest, marker: found.marker });
  const drift = found.condition === 'unknown' ? { drift: found.detail } : {};
  return { ...guest, ...drift };
}

async function inspect(
  { provider, call }: CloserLookDeps,
  { ref }: ListedGuest,
): Promise<GuestObservation | undefined> {
  try {
    return await provider.inspect(ref, call);
  } catch (error) {
    if (isProviderError(error)) return undefined;
    throw error;
  }
}

function withTime(guest: ListedGuest): SeenGuest {
  const operationAtMs = guest.marker && createdAtOfId(guest.marker.operation);
  return operationAtMs === undefined ? guest : { ...guest, operationAtMs };
}

/** A VMID may get another guest, and a guest another name. */
function nameOf({ ref }: ListedGuest): string {
  return `${ref.nativeId} ${ref.guestId}`;
}
