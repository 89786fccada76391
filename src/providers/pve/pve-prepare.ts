/**
 * Decides what a guest is cloned from, on which node and under which VMID, and takes what it needs for that: its
 * turn to clone, a VMID, its memory. Changes nothing at Proxmox.
 */
import type { GuestIntent } from '../../core/guest.ts';
import { placeGuest, startLimitMib } from '../../core/placement.ts';
import { VmidRangeExhausted } from '../../core/ports.ts';
import type { PveTemplateSource } from '../../core/start-request.ts';
import type { GuestSpec, ProviderCall } from '../provider.ts';
import { ProviderError } from '../provider-error.ts';
import { type NodeRoom, readRoom } from './pve-capacity.ts';
import type { PveContext } from './pve-context.ts';
import { isVmidFree, locate } from './pve-locate.ts';
import { clonePermit, takePermit } from './pve-permits.ts';
import { findTemplates, type UsableTemplate } from './pve-templates.ts';

/** How often the last place on a node may be lost to another start before we call it full. */
const PLACEMENT_TRIES = 3;

export async function prepare(
  spec: GuestSpec,
  sources: readonly PveTemplateSource[],
  context: PveContext,
  call: ProviderCall,
): Promise<GuestIntent> {
  try {
    return await prepareSomewhere(spec, sources, context, call);
  } catch (error) {
    // Nobody will hear of this guest again, and the range is not endless.
    await context.vmids.giveBack(spec.guestId);
    throw error;
  }
}

async function prepareSomewhere(
  spec: GuestSpec,
  sources: readonly PveTemplateSource[],
  context: PveContext,
  call: ProviderCall,
): Promise<GuestIntent> {
  for (let tries = 0; tries < PLACEMENT_TRIES; tries += 1) {
    const room = await readRoom(context, call, { guestId: spec.guestId });
    const { nodes } = room;
    const templates = await findTemplates(spec.guestId, sources, spec.size?.memoryMib, room, context, call);
    const candidates = await chooseCandidates(spec.guestId, templates, nodes, context);
    const { chosen, permit } = await takeTurn(candidates, context, call);
    try {
      const vmid = await reserveVmid(spec.guestId, chosen.node, context, call);
      if (await reserveMemory(spec.guestId, vmid, chosen, nodes, context)) {
        return intentFor(spec, vmid, chosen, context);
      }
    } catch (error) {
      await context.permits.release(call.holder, permit);
      throw error;
    }
    await context.permits.release(call.holder, permit);
  }
  throw overCapacity('other starts took the last places', context);
}

function intentFor(
  { guestId, size, marker, metadata }: GuestSpec,
  vmid: number,
  { vmid: template, node, memoryMib }: UsableTemplate,
  { kind, options }: PveContext,
): GuestIntent {
  return {
    provider: kind.provider,
    guestId,
    failureDomain: options.failureDomain,
    source: String(template),
    node,
    vmid,
    ...(size && { size }),
    memoryMib,
    marker: { ...marker, vmid },
    metadata,
  };
}

/** A guest that was prepared before stays on its node. */
async function chooseCandidates(
  guestId: string,
  templates: readonly UsableTemplate[],
  nodes: readonly NodeRoom[],
  context: PveContext,
): Promise<readonly UsableTemplate[]> {
  const reservations = await context.capacityBook.reservations(context.options.failureDomain);
  const reserved = reservations.find((reservation) => reservation.guestId === guestId);
  const before = templates.filter(({ node }) => node === reserved?.node);
  if (before.length > 0) return before;
  const { candidates, leftOut } = placeGuest(templates, nodes, context.reserves);
  if (candidates.length > 0) return candidates;
  const unreadable = nodes.find(
    ({ node, online, memoryMib }) =>
      online && memoryMib === undefined && templates.some((template) => template.node === node),
  );
  if (unreadable !== undefined) throw memoryUnreadable(unreadable.node, context);
  const reasons = leftOut.map(({ node, reason }) => `${node}: ${reason}`).join('; ');
  throw overCapacity(reasons, context);
}

async function takeTurn(
  candidates: readonly UsableTemplate[],
  context: PveContext,
  call: ProviderCall,
): Promise<{ readonly chosen: UsableTemplate; readonly permit: string }> {
  const turns = candidates.map((template) => ({
    template,
    want: clonePermit(template.node, template.vmid, context),
    use: {
      node: template.node,
      taskType: `${context.kind.taskPrefix}clone`,
      vmid: template.vmid,
    },
  }));
  const permit = await takePermit(turns, context, call);
  const turn = turns.find(({ want }) => want.name === permit);
  if (turn === undefined) throw new Error(`permit ${permit} was granted and not asked for`);
  return { chosen: turn.template, permit };
}

async function reserveMemory(
  guestId: string,
  vmid: number,
  { node, memoryMib }: UsableTemplate,
  nodes: readonly NodeRoom[],
  context: PveContext,
): Promise<boolean> {
  const room = nodes.find((candidate) => candidate.node === node);
  return await context.capacityBook.reserve(
    context.options.failureDomain,
    { guestId, node, vmid, memoryMib },
    {
      limitMib: startLimitMib(room?.memoryMib ?? 0, context.reserves),
      othersMib: room?.othersMib ?? 0,
    },
  );
}

function overCapacity(reasons: string, { kind }: PveContext): ProviderError {
  return new ProviderError({
    kind: 'over_capacity',
    effect: 'none',
    message: `no node has room: ${reasons}`,
    remediation:
      'Pause or destroy sandboxes, add templates on another node, or lower PVE_HOST_RESERVE_MIB or PVE_RESUME_RESERVE.',
    provider: kind.provider,
  });
}

/** Without it a node would be filled until its OOM killer takes a sandbox, and nobody would have seen it coming. */
function memoryUnreadable(node: string, { kind }: PveContext): ProviderError {
  return new ProviderError({
    kind: 'unauthorized',
    effect: 'none',
    message: `the memory of ${node} cannot be read, so nothing can be started there safely`,
    remediation: `Grant the token and its user Sys.Audit on /nodes/${node}, with propagation.`,
    provider: kind.provider,
  });
}

/** Ids of our own range that others sit on; more in a row mean that the range is not ours. */
const VMID_TRIES = 20;

async function reserveVmid(
  guestId: string,
  node: string,
  context: PveContext,
  call: ProviderCall,
): Promise<number> {
  for (let tries = 0; tries < VMID_TRIES; tries += 1) {
    const vmid = await reserve(guestId, context);
    if (await isVmidFree(vmid, context, call)) return vmid;
    // Prepared and created before, by an attempt that this one carries on.
    const located = await locate({ guestId, vmid, node }, context, call);
    const isOurs = located.kind === 'found' && ['ours', 'unsigned'].includes(located.identity.kind);
    if (isOurs) return vmid;
    await context.vmids.reject(guestId, vmid);
  }
  throw rangeUsedUp(`${VMID_TRIES} VMIDs of the range in a row are taken by others`, context);
}

async function reserve(guestId: string, context: PveContext): Promise<number> {
  try {
    return await context.vmids.reserve(guestId);
  } catch (error) {
    if (error instanceof VmidRangeExhausted) throw rangeUsedUp(error.message, context);
    throw error;
  }
}

function rangeUsedUp(message: string, context: PveContext): ProviderError {
  return new ProviderError({
    kind: 'over_capacity',
    effect: 'none',
    message,
    remediation: 'Widen the VMID range, or choose one that nobody else uses.',
    provider: context.kind.provider,
  });
}
