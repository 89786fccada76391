/**
 * Whose guest is it? Answered from its configuration alone, without a doubt left either way: everything that
 * deletes depends on it.
 */
import { type Marker, parseMarkerLine } from '../../core/marker.ts';
import type { GuestConfig } from './pve-schemas.ts';

export type Identity =
  | { readonly kind: 'ours'; readonly marker: Marker }
  /** Being made, and not yet saying for whom. */
  | { readonly kind: 'unsigned' }
  /** What a destroy left of somebody: nothing but a lock (facts §3). Its disks are gone, and nobody's name is on it. */
  | { readonly kind: 'remains'; readonly detail: string }
  | { readonly kind: 'foreign'; readonly detail: string };

/** Locks of a guest that is being made: its name and description come later (facts §3, §4). */
const CREATION_LOCKS: ReadonlySet<string> = new Set(['clone', 'create']);

export function isBeingCreated(config: { readonly lock?: string | undefined }): boolean {
  return config.lock !== undefined && CREATION_LOCKS.has(config.lock);
}

/**
 * Ours means: marker, name and VMID all say so, and it is no template. A clone that a person makes of a
 * sandbox inherits the description, but neither name nor VMID.
 */
export function identify(config: GuestConfig, guestId: string, vmid: number): Identity {
  if (config.template) return { kind: 'foreign', detail: `VMID ${vmid} is a template` };
  const marker = parseMarkerLine(config.description ?? '');
  if (marker === undefined && config.name === undefined && config.lock === 'destroyed') {
    return { kind: 'remains', detail: `VMID ${vmid} is what a destroy has left` };
  }
  if (marker === undefined) {
    if (isBeingCreated(config) && (config.name === undefined || config.name === guestId)) {
      return { kind: 'unsigned' };
    }
    return { kind: 'foreign', detail: `VMID ${vmid} is ${called(config)} and carries no marker` };
  }
  if (marker.guest !== guestId) {
    return { kind: 'foreign', detail: `VMID ${vmid} carries the marker of ${marker.guest}` };
  }
  if (marker.vmid !== vmid || config.name !== guestId) {
    return { kind: 'foreign', detail: `VMID ${vmid} is ${called(config)}, with a copied marker` };
  }
  return { kind: 'ours', marker };
}

function called(config: GuestConfig): string {
  return config.name === undefined ? 'nameless' : `called ${config.name}`;
}
