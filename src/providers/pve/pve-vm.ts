/** Full VMs on Proxmox VE: linked clones of templates, whose pause keeps memory (suspend to disk). */
import type { Provider } from '../provider.ts';
import { createPveContext, type PveDeps, type PveOptions, VM_KIND } from './pve-context.ts';
import { createPveProvider } from './pve-provider.ts';
import { pauseVm, resumeVm } from './pve-vm-power.ts';

export function createPveVmProvider(deps: PveDeps, options: PveOptions): Provider {
  const context = createPveContext(VM_KIND, deps, options);
  return createPveProvider(context, {
    preservesRam: true,
    pause: (ref, call) => pauseVm(ref, context, call),
    resume: (ref, resumeOptions, call) => resumeVm(ref, resumeOptions, context, call),
  });
}
