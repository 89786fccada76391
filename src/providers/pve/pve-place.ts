import type { GuestRef } from '../../core/guest.ts';
import type { PveContext, PveKind } from './pve-context.ts';

/** Where a guest is, or is to be. */
export interface Place {
  readonly guestId: string;
  readonly vmid: number;
  readonly node: string;
}

/** Proxmox takes this for the node that answers (facts §1); what is not there is then looked for elsewhere. */
const ANY_NODE = 'localhost';

export function placeOf(ref: GuestRef, context: PveContext): Place {
  const node = ref.node ?? context.options.nodes?.[0] ?? ANY_NODE;
  return { guestId: ref.guestId, vmid: Number(ref.nativeId), node };
}

export function refOf(place: Place, context: PveContext): GuestRef {
  const { provider } = context.kind;
  return { provider, guestId: place.guestId, nativeId: String(place.vmid), node: place.node };
}

/** `/nodes/pve1/qemu/20001`. */
export function guestPath(kind: PveKind, node: string, vmid: number): string {
  return `/nodes/${encodeURIComponent(node)}/${kind.path}/${vmid}`;
}
