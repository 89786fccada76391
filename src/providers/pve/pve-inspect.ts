/** What Proxmox says of guests, in our words. Changes nothing. */
import type { GuestRef } from '../../core/guest.ts';
import { parseMarkerLine } from '../../core/marker.ts';
import type {
  GuestCondition,
  GuestObservation,
  ListedGuest,
  ProviderCall,
  ProviderHealth,
} from '../provider.ts';
import { isProviderError } from '../provider-error.ts';
import { findClone } from './pve-clone-tasks.ts';
import { OWN_TAG, parseTags } from './pve-configure.ts';
import type { PveContext } from './pve-context.ts';
import { stuck, stuckClone } from './pve-failures.ts';
import { findGuestTask, isHibernated, readStatus } from './pve-guest.ts';
import { isBeingCreated } from './pve-identity.ts';
import { locate, readConfig, readResources } from './pve-locate.ts';
import { type Place, placeOf, refOf } from './pve-place.ts';
import { type GuestStatus, type ResourceRow, versionSchema } from './pve-schemas.ts';

export async function inspectGuest(
  ref: GuestRef,
  context: PveContext,
  call: ProviderCall,
): Promise<GuestObservation> {
  const located = await locate(placeOf(ref, context), context, call).catch(asUnknown);
  if ('condition' in located) return located;
  if (located.kind === 'absent') {
    return { condition: 'gone', detail: `its node does not know it and VMID ${ref.nativeId} is free` };
  }
  if (located.kind === 'hidden') return { condition: 'unknown', detail: located.detail };
  const { identity, place } = located;
  if (identity.kind === 'foreign') return { condition: 'unknown', detail: identity.detail };
  const observed = await observe(place, context, call);
  return identity.kind === 'ours' ? { ...observed, marker: identity.marker } : observed;
}

/** 403 on a VMID of our own is a hole in our rights; every other failure is the caller's to know. */
function asUnknown(error: unknown): GuestObservation {
  if (isProviderError(error) && error.report.kind === 'unauthorized' && error.report.effect === 'unknown') {
    return { condition: 'unknown', detail: error.report.message };
  }
  throw error;
}

async function observe(place: Place, context: PveContext, call: ProviderCall): Promise<GuestObservation> {
  const status = await readStatus(place, context, call);
  if (status === undefined) return { condition: 'unknown', detail: 'it went away while it was looked at' };
  const condition = conditionOf(status);
  const detail = [status.qmpstatus ?? status.status, status.lock && `locked (${status.lock})`]
    .filter(Boolean)
    .join(', ');
  if (!(await isOrphaned(status, place, context, call))) return { condition, detail };
  const lock = status.lock ?? '';
  const { report } = isBeingCreated(status) ? stuckClone(place, lock, context) : stuck(place, lock, context);
  const runs = status.status !== 'stopped';
  return { condition: 'stuck', detail, remediation: report.remediation ?? '', runs };
}

/** A lock that only a task of its kind removes, without such a task, seen before and after looking for it. */
async function isOrphaned(
  status: GuestStatus,
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<boolean> {
  if (status.lock === undefined) return false;
  if (isBeingCreated(status)) {
    if ((await findClone(place, undefined, context, call)).kind !== 'none') return false;
  } else if (status.lock === 'suspending' || status.lock === 'destroyed') {
    const taskType = status.lock === 'suspending' ? 'suspend' : 'destroy';
    if ((await findGuestTask(taskType, place, context, call)) !== undefined) return false;
  } else {
    return false;
  }
  return (await readStatus(place, context, call))?.lock === status.lock;
}

/** The table of facts §9; the lock says more than the status. */
function conditionOf(status: GuestStatus): GuestCondition {
  if (isBeingCreated(status)) return 'creating';
  if (status.lock === 'suspending') return 'pausing';
  if (isHibernated(status)) return 'paused';
  if (status.status === 'stopped') return 'stopped';
  if (status.status !== 'running') return 'unknown';
  // Paused in memory by a person: it keeps its memory, and answers nobody.
  return status.qmpstatus === 'paused' ? 'paused' : 'running';
}

/** Rows without a name whose configuration is read; fresh guests have none for up to 10 s (facts §6). */
const UNNAMED_READ = 50;

/**
 * Guests that carry our tag or one of our names, from the one cheap list of the cluster. Status and name in it
 * are up to 10 s old: nothing may be concluded from a row alone.
 */
export async function listGuests(context: PveContext, call: ProviderCall): Promise<readonly ListedGuest[]> {
  const rows = (await readResources(context, call)).filter(
    (row) => row.type === context.kind.path && !row.template && isOursByLooks(row, context),
  );
  const unnamed = rows.filter((row) => row.name === undefined).slice(0, UNNAMED_READ);
  const listed = rows.flatMap((row) => (row.name === undefined ? [] : [asListed(row, row.name, context)]));
  for (const row of unnamed) {
    const config = await readConfig(row.node, row.vmid, context, call);
    const marker = parseMarkerLine(config?.description ?? '');
    if (marker !== undefined) listed.push({ ...asListed(row, marker.guest, context), marker });
  }
  return listed;
}

function isOursByLooks(row: ResourceRow, context: PveContext): boolean {
  if (parseTags(row.tags).includes(OWN_TAG)) return true;
  const { guestIdPrefix } = context.kind;
  return (
    row.name?.startsWith(guestIdPrefix) === true && /^[0-9a-f]{8}$/.test(row.name.slice(guestIdPrefix.length))
  );
}

function asListed(row: ResourceRow, guestId: string, context: PveContext): ListedGuest {
  const ref = refOf({ guestId, vmid: row.vmid, node: row.node }, context);
  const status = row.status ?? 'unknown';
  // This list's status is QEMU's own: `paused` and `prelaunch` are machines that run.
  const runs = status !== 'stopped' && status !== 'unknown';
  const condition = conditionOf({
    status: runs ? 'running' : status,
    ...(runs ? { qmpstatus: status } : {}),
    ...(row.lock === undefined ? {} : { lock: row.lock }),
  });
  const counters = countersOf(row);
  return condition === 'running' && counters ? { ref, condition, counters } : { ref, condition };
}

/** Of the last broadcast of its node, some ten seconds old: rates are told from two of them, a minute apart. */
function countersOf({ cpu, netin, netout }: ResourceRow): ListedGuest['counters'] {
  if (cpu === undefined || netin === undefined || netout === undefined) return undefined;
  return { cpuShare: Math.min(1, Math.max(0, cpu)), networkBytes: netin + netout };
}

export async function probeEndpoint(context: PveContext, call: ProviderCall): Promise<ProviderHealth> {
  try {
    const { version } = await context.api.read('/version', versionSchema, call);
    return { healthy: true, detail: `Proxmox VE ${version}` };
  } catch (error) {
    if (!isProviderError(error)) throw error;
    const { message, remediation } = error.report;
    return { healthy: false, detail: [message, remediation].filter(Boolean).join(' ') };
  }
}
