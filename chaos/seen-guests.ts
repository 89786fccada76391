/** What the simulators hold, in the checker's words: a guest is whose its marker says, not whose a record says. */
import { markerFromMetadata, parseMarkerLine } from '../src/core/marker.ts';
import type { MorphInventory, PveInventory } from '../src/simulators/simulators.ts';
import type { SeenGuest } from './checker.ts';

export interface Inventory {
  readonly pve: PveInventory;
  readonly morph: MorphInventory;
}

export function seenGuests({ pve, morph }: Inventory): readonly SeenGuest[] {
  const ofPve = pve.guests
    .filter(({ template }) => !template)
    .map(({ vmid, name, description, status, lock }) => {
      const marker = parseMarkerLine(description);
      // A clone inherits its template's text until its own is written: only a marker with the guest's name counts.
      const own = marker?.guest === name ? marker : undefined;
      return {
        nativeId: String(vmid),
        ...(own && { guestId: own.guest, sandboxId: own.sandbox }),
        running: status === 'running',
        // What a suspend leaves is how Proxmox keeps a hibernated VM, and nothing to be freed.
        ...(lock !== undefined && lock !== 'suspended' ? { lock } : {}),
      };
    });
  const ofMorph = morph.instances.map(({ id, status, metadata }) => {
    const marker = markerFromMetadata(metadata);
    return {
      nativeId: id,
      ...(marker && { guestId: marker.guest, sandboxId: marker.sandbox }),
      running: status === 'ready',
    };
  });
  return [...ofPve, ...ofMorph];
}
