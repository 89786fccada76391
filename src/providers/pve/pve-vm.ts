/** Full VMs on Proxmox VE: linked clones of templates, whose pause keeps memory (suspend to disk). */
import { rememberingSteps } from '../acted.ts';
import type { Provider } from '../provider.ts';
import { createPveContext, type PveDeps, type PveOptions, VM_KIND } from './pve-context.ts';
import { destroyGuest } from './pve-destroy.ts';
import { inspectGuest, listGuests, probeEndpoint } from './pve-inspect.ts';
import { look } from './pve-look.ts';
import { prepare } from './pve-prepare.ts';
import { pauseVm, resumeVm } from './pve-vm-power.ts';
import { bringUpVm, createVm } from './pve-vm-start.ts';

/**
 * A clone's configuration is written by its task, after the reply (facts §3): the 30 s of the proxy, and some
 * for the task to begin.
 */
export const PVE_VISIBILITY_BOUND_MS = 35_000;

export function createPveVmProvider(deps: PveDeps, options: PveOptions): Provider {
  const context = createPveContext(VM_KIND, deps, options);
  return {
    name: 'pve-vm',
    guestIdPrefix: VM_KIND.guestIdPrefix,
    capabilities: { preservesRam: true },
    failureDomain: options.failureDomain,
    simulated: options.simulated,
    visibilityBoundMs: PVE_VISIBILITY_BOUND_MS,
    prepare: (spec, call) => prepare(spec, spec.sources['pve-vm']?.templates ?? [], context, call),
    create: (intent, call) => createVm(intent, context, call),
    look: (intent, call) => look(intent, context, call),
    bringUp: (intent, created, call) => bringUpVm(intent, created, context, call),
    pause: (ref, call) => pauseVm(ref, context, call),
    resume: (ref, resumeOptions, call) => resumeVm(ref, resumeOptions, context, call),
    destroy: (ref, call) => rememberingSteps(call, (watched) => destroyGuest(ref, context, watched)),
    inspect: (ref, call) => inspectGuest(ref, context, call),
    list: (call) => listGuests(context, call),
    probe: (call) => probeEndpoint(context, call),
  };
}
