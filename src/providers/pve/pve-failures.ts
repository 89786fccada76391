/** Failures that are found by reading, not refused by Proxmox. */
import type { FailureKind } from '../../core/failure.ts';
import { ProviderError } from '../provider-error.ts';
import type { PveContext } from './pve-context.ts';
import type { Place } from './pve-place.ts';

/** No API token may unlock a guest: only a command on the host can (facts §1). */
export function unlockCommand(place: Place, context: PveContext): string {
  return `${context.kind.command} unlock ${place.vmid}   # as root on ${place.node}`;
}

export function stuck(place: Place, lock: string, context: PveContext): ProviderError {
  const message = `is locked (${lock}) and no task is left that could free it`;
  const { report } = guestFailure('stuck', place, message, context);
  // There is nothing left to keep of a guest whose destroy has begun.
  const remediation = lock === 'destroyed' ? removeCommand(place, context) : unlockCommand(place, context);
  return new ProviderError({ ...report, remediation });
}

/** A clone whose worker died: half a disk under a lock. */
export function stuckClone(place: Place, lock: string, context: PveContext): ProviderError {
  const { report } = stuck(place, lock, context);
  return new ProviderError({ ...report, remediation: removeCommand(place, context) });
}

function removeCommand({ vmid, node }: Place, { kind: { command } }: PveContext): string {
  return `${command} unlock ${vmid} && ${command} destroy ${vmid} --purge   # as root on ${node}`;
}

/** `effect: 'none'`: nothing was changed by finding this out. */
export function guestFailure(
  kind: FailureKind,
  place: Place,
  text: string,
  context: PveContext,
): ProviderError {
  return new ProviderError({
    kind,
    effect: 'none',
    message: `${place.guestId} (VMID ${place.vmid}) ${text}`,
    provider: context.kind.provider,
  });
}
