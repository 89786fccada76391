import type { GuestRef } from '../../core/guest.ts';
import type { PveContext, PveKind } from './pve-context.ts';

/** Where a guest is, or is to be. */
export interface Place {
  readonly guestId: string;
  readonly vmid: number;
  readonly node: string;
}

export function placeOf(ref: GuestRef, context: PveContext): Place {
  return { guestId: ref.guestId, vmid: Number(ref.nativeId), node: ref.node ?? context.options.nodes[0] };
}

export function refOf(place: Place, context: PveContext): GuestRef {
  const { provider } = context.kind;
  return { provider, guestId: place.guestId, nativeId: String(place.vmid), node: place.node };
}

/** `/nodes/pve1/qemu/20001`. */
export function guestPath(kind: PveKind, node: string, vmid: number): string {
  return `/nodes/${encodeURIComponent(node)}/${kind.path}/${vmid}`;
}
