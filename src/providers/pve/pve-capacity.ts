/**
 * The memory of the nodes, and who is entitled to it. Ours is what the capacity book says, running or about to;
 * everybody else's is what runs: other deployments' guests and people's machines count like our own.
 */
import { type NodeState, resumeLimitMib, startLimitMib } from '../../core/placement.ts';
import type { MemoryReservation } from '../../core/ports.ts';
import type { CapacityReport, ProviderCall } from '../provider.ts';
import { isProviderError, ProviderError } from '../provider-error.ts';
import type { PveContext } from './pve-context.ts';
import { readResources } from './pve-locate.ts';
import type { Place } from './pve-place.ts';
import { type NodeRow, nodeRowsSchema, type ResourceRow, storageRowsSchema } from './pve-schemas.ts';

const MIB = 1024 ** 2;

/** A node with what its memory is promised to. */
export interface NodeRoom extends NodeState {
  /** Of guests that are not in our book. */
  readonly othersMib: number;
}

export interface ClusterRoom {
  readonly nodes: readonly NodeRoom[];
  readonly guests: readonly ResourceRow[];
}

/**
 * Reads what runs where, in two requests that no node is asked for. Figures of guests are up to 10 s old (facts
 * §6): what we started meanwhile is in the book, what others did is what the host's reserve is for.
 * @param except a guest that is not counted: the one that is to be placed
 */
export async function readRoom(
  context: PveContext,
  call: ProviderCall,
  except?: { readonly guestId: string; readonly vmid?: number },
): Promise<ClusterRoom> {
  const [rows, resources, reservations] = await Promise.all([
    readNodes(context, call),
    readResources(context, call),
    context.capacityBook.reservations(context.options.failureDomain),
  ]);
  const ours = reservations.filter(({ guestId }) => guestId !== except?.guestId);
  const guests = resources.filter(({ vmid }) => vmid !== except?.vmid);
  const nodes = rows.map((row) => roomOf(row, guests, ours, context));
  return { nodes, guests: resources };
}

/** The nodes in use: those that were named, or all of the cluster. */
async function readNodes(context: PveContext, call: ProviderCall): Promise<readonly NodeRow[]> {
  const rows = await context.api.read('/nodes', nodeRowsSchema, call);
  const { nodes } = context.options;
  return nodes === undefined ? rows : rows.filter(({ node }) => nodes.includes(node));
}

function roomOf(
  { node, status, maxmem }: NodeRow,
  guests: readonly ResourceRow[],
  reservations: readonly MemoryReservation[],
  context: PveContext,
): NodeRoom {
  const reserved = reservations.filter((reservation) => reservation.node === node);
  const isOurs = ({ vmid }: ResourceRow) => reserved.some((reservation) => reservation.vmid === vmid);
  const others = guests.filter((row) => row.node === node && isRunning(row) && !isOurs(row));
  const othersMib = Math.ceil(sum(others.map((row) => row.maxmem ?? 0)) / MIB);
  return {
    node,
    online: status === 'online',
    cordoned: context.options.cordonedNodes?.includes(node) === true,
    ...(maxmem === undefined ? {} : { memoryMib: Math.floor(maxmem / MIB) }),
    othersMib,
    usedMib: othersMib + sum(reserved.map(({ memoryMib }) => memoryMib)),
  };
}

/** `unknown` is a node that is silent, or a guest that was just made; it counts as far as it is known. */
function isRunning({ status, template }: ResourceRow): boolean {
  return status !== 'stopped' && !template;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * Reserves the memory that a paused guest needs to come back, on the node where its disk and its image lie.
 * Resumes may use what is kept free of starts, and nothing of the host's own.
 * @throws ProviderError `waiting` while it does not fit.
 */
export async function reserveForResume(
  { guestId, vmid, node }: Place,
  memoryMib: number,
  context: PveContext,
  call: ProviderCall,
): Promise<void> {
  const { failureDomain } = context.options;
  const { nodes } = await readRoom(context, call, { guestId, vmid });
  const room = nodes.find((candidate) => candidate.node === node);
  // A node that was taken out of use, or whose size our token may not read, still has to give back what lies there.
  const limitMib =
    room?.memoryMib === undefined
      ? Number.MAX_SAFE_INTEGER
      : resumeLimitMib(room.memoryMib, context.reserves);
  const wanted = { guestId, node, vmid, memoryMib };
  const othersMib = room?.othersMib ?? 0;
  if (await context.capacityBook.reserve(failureDomain, wanted, { limitMib, othersMib })) return;
  const freeMib = Math.max(0, limitMib - (room?.usedMib ?? 0));
  throw new ProviderError({
    kind: 'waiting',
    effect: 'none',
    message: `${guestId} waits for memory on ${node}: it needs ${memoryMib} MiB and ${freeMib} MiB are free`,
    remediation: `Pause or destroy a sandbox on ${node}.`,
    provider: context.kind.provider,
  });
}

/** Gives the memory of a failed resume back; what runs all the same is counted as somebody else's until then. */
export async function giveUpReservation(place: Place, error: unknown, context: PveContext): Promise<void> {
  if (!isProviderError(error) || error.report.effect !== 'none') return;
  await context.capacityBook.release(context.options.failureDomain, place.guestId);
}

export async function reportCapacity(context: PveContext, call: ProviderCall): Promise<CapacityReport> {
  const [{ nodes }, storages] = await Promise.all([
    readRoom(context, call),
    context.api.read('/cluster/resources', storageRowsSchema, call, { type: 'storage' }),
  ]);
  return {
    nodes: nodes.map(({ node, online, cordoned, memoryMib = 0, usedMib }) => ({
      node,
      online,
      cordoned,
      memoryMib,
      usedMib,
      reservedMib: memoryMib - startLimitMib(memoryMib, context.reserves),
    })),
    storages: storages
      .filter(({ node }) => nodes.some((candidate) => candidate.node === node))
      .map(({ node, storage, maxdisk = 0, disk = 0 }) => ({
        node,
        storage,
        totalMib: Math.floor(maxdisk / MIB),
        usedMib: Math.ceil(disk / MIB),
      })),
  };
}
